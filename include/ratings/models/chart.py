"""The chart of a model selection."""

import io

from matplotlib import rc_context
from matplotlib.figure import Figure

from include.ratings.models.selection import Comparison

INK, CHOSEN, OTHER = "#30343b", "#0f766e", "#94a3b8"


def draw(found: Comparison, title: str) -> bytes:
    """
    Draw RMSE, MAE (both with their standard deviation over the folds) and fit time of each algorithm as bars.

    Returns:
        An SVG image; the same comparison gives the same bytes.
    """
    shown = [score for score in found.scores if score.rmse is not None][::-1]
    figure = Figure(figsize=(11, 1.6 + 0.36 * max(len(shown), 1)), layout="constrained")
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    panels = figure.subplots(1, 3, sharey=True)
    names = [score.algorithm.rsplit(":", 1)[-1] for score in shown]
    colours = [CHOSEN if score.algorithm == found.chosen else OTHER for score in shown]
    columns = (
        ("RMSE (stars)", [score.rmse or 0 for score in shown], [score.rmse_sd or 0 for score in shown], "{:.4f}"),
        ("MAE (stars)", [score.mae or 0 for score in shown], [score.mae_sd or 0 for score in shown], "{:.4f}"),
        ("fit (seconds a fold)", [score.fit_seconds for score in shown], None, "{:.2f}"),
    )
    for panel, (label, values, spread, form) in zip(panels, columns, strict=True):
        panel.barh(names, values, xerr=spread, color=colours, error_kw={"ecolor": INK, "elinewidth": 0.8})
        panel.set_title(label, fontsize=10, color=INK, loc="left")
        panel.bar_label(panel.containers[-1], [f" {form.format(value)}" for value in values], fontsize=8, color=INK)
        panel.margins(x=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(colors=INK, labelsize=8)
    image = io.BytesIO()
    with rc_context({"svg.hashsalt": "quartet"}):
        figure.savefig(image, format="svg", metadata={"Date": None})
    return image.getvalue()

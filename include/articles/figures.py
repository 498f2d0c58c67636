"""Figures of a run, as PNG."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from include.articles import report
from include.articles.layout import RunFiles
from include.articles.plan import Plan
from include.core.frames import read_frame
from include.core.storage import read_bytes

INK, BAR, LINE = "#30343b", "#94a3b8", "#0f766e"


def gaps(seconds: np.ndarray, max_gap_seconds: float) -> bytes:
    """Histogram of the gaps between two events in minutes, on logarithmic axes, with the cut-off."""
    minutes = seconds[seconds > 0] / 60
    bins = np.geomspace(minutes.min(), minutes.max() * 1.0001, 60) if len(minutes) else np.array([0.1, 1, 10])
    return _histogram(
        minutes,
        bins,
        "Gaps between two events of a reader on a page",
        "minutes",
        log=True,
        mark=(max_gap_seconds / 60, f"more than {max_gap_seconds:g} s is idle time"),
    )


def scores(values: np.ndarray) -> bytes:
    """Histogram of the scores of recommendations."""
    return _histogram(values, np.linspace(0, 1, 51), "Scores of the recommendations", "score")


def ages(days: np.ndarray) -> bytes:
    """Histogram of the ages of recommended articles in days."""
    days = days[np.isfinite(days)]
    top = max(float(days.max()), 1.0) if len(days) else 1.0
    return _histogram(days, np.linspace(0, top, 51), "Age of the recommended articles", "days")


def _histogram(
    values: np.ndarray,
    bins: np.ndarray,
    title: str,
    unit: str,
    log: bool = False,
    mark: tuple[float, str] | None = None,
) -> bytes:
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    panel = figure.subplots()
    panel.hist(values, bins=list(bins), color=BAR)
    if log:
        panel.set_xscale("log")
        panel.set_yscale("symlog")
    if mark:
        panel.axvline(mark[0], color=LINE)
        panel.annotate(mark[1], (mark[0], 1), xycoords=("data", "axes fraction"), xytext=(4, -12),
                       textcoords="offset points", fontsize=8, color=LINE)  # fmt: skip
    panel.set_title(title, loc="left", fontsize=11, color=INK)
    panel.set_xlabel(unit, color=INK)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(colors=INK, labelsize=8)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
    return image.getvalue()


def of_run(files: RunFiles, plan: Plan, steps: Mapping[str, Any]) -> dict[str, bytes]:
    """
    Return the figures of a run, by name.

    Args:
        files: of the run.
        plan: of the run.
        steps: what each step counted; a step that was skipped is missing.
    """
    found = {}
    if "save_predictions" in steps:
        lists = read_frame(files.recommendations("article"))
        age = report.ages_days(read_frame(files.articles), plan.run_at)
        found["scores.png"] = scores(lists["score"].to_numpy())
        found["ages.png"] = ages(age.reindex(lists["target"]).to_numpy())
    if plan.settings.save_figures and plan.train:
        found["gaps.png"] = read_bytes(files.gaps)
    return found

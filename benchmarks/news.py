"""News: how good lists of related articles are where articles live for hours, against popularity and session methods.

make bench, or: python benchmarks/news.py [windows|old] …

Needs the real data (`QUARTET_REAL_DATA`): the clicks of Globo in `globo_news/clicks`, any number of hours. Parameters
are to be tuned on the first half of the hours only; the second half is the result.
"""

import os
import sys
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import numpy as np  # noqa: E402

from benchmarks.support import recommendations as quality_of  # noqa: E402
from benchmarks.support.news_windows import HALF_LIVES_HOURS, Rankings, read_windows  # noqa: E402
from benchmarks.support.report import line, machine  # noqa: E402
from include.articles.models.training import MODELS  # noqa: E402

DATA = Path(os.environ.get("QUARTET_REAL_DATA") or ROOT.parent / "shared" / "data")
NEIGHBORS = {"V-SKNN, whole session": "vsknn", "STAN, whole session": "stan"}
REQUIRED = {"Globo, last article": ">= 0.245", "Globo, the future": ">= 0.36", "last.fm, 5 seeds": ">= 0.034"}
REQUIRED["Deskdrop, last article"] = ">= 0.060"


def windows() -> None:
    """Print NDCG@20 of every method over the hourly windows, by halves of the time."""
    values: dict[str, list[float]] = defaultdict(list)
    began = time.process_time()
    for window in read_windows(DATA / "globo_news" / "clicks"):
        rankings = Rankings(window)
        for hours in HALF_LIVES_HOURS:
            values[f"popularity, half-life {hours:g} h"].append(rankings.popular(hours))
        for model in MODELS:
            values[model].append(rankings.of_lists(model))
        for name, (value, beside) in rankings.of_neighbors(NEIGHBORS).items():
            values[name].append(value)
            values["next, on the same questions"].append(beside)
    values["next, on the same questions"] = values["next, on the same questions"][:: len(NEIGHBORS)]
    count = len(values["next"])
    half = count // 2
    best = np.max([values[f"popularity, half-life {hours:g} h"] for hours in HALF_LIVES_HOURS], axis=0)
    print(f"Globo, {count} hourly windows, NDCG@20; {time.process_time() - began:.0f} CPU s")
    for name, found in values.items():
        least = ">= 0.365" if name == "next" else ""
        line(f"  {name}, windows {half + 1} to {count}", f"{np.mean(found[half:]):.4f}", least)
        line("    the windows before", f"{np.mean(found[:half]):.4f}" if half else "-")
    won = np.array(values["next"])[half:] >= best[half:]
    line("  next is at or above the best popularity in", f"{won.sum()} of {len(won)} windows", ">= 95 %")


def old() -> None:
    """Print nDCG@10 of the protocols with one training."""
    clicks = quality_of.load_globo(DATA / "globo_news" / "clicks")
    deskdrop = quality_of.load_deskdrop(DATA / "deskdrop" / "users_interactions_2016.csv")
    lastfm = [quality_of.load_lastfm(DATA / "hetrec-lastfm-2k" / "user_artists.dat", seed) for seed in range(5)]
    for name, samples in (
        ("Globo, last article", [quality_of.hold_out_last(clicks)]),
        ("Globo, the future", [quality_of.hold_out_future(clicks)]),
        ("Deskdrop, last article", [quality_of.hold_out_last(deskdrop)]),
        ("last.fm, 5 seeds", lastfm),
    ):
        asked = sum(len(sample.questions) for sample in samples)
        print(f"{name}: {asked:,} questions, {sum(sample.left_out for sample in samples):,} left out")
        for model, value, more, error in quality_of.evaluate(samples):
            required = REQUIRED[name] if model == "next" else ""
            line(f"  nDCG@10 of {model}", f"{value:.4f} ({more:+.4f} ± {error:.4f})", required)


def main() -> int:
    """Run the requested parts, or both."""
    asked = sys.argv[1:] or ["windows", "old"]
    machine()
    if not (DATA / "globo_news").exists():
        print(f"there is no {DATA / 'globo_news'}: nothing is measured")
        return 0
    for part, measure in {"windows": windows, "old": old}.items():
        if part in asked:
            measure()
    return 0


if __name__ == "__main__":
    sys.exit(main())

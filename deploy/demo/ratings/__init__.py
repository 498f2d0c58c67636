"""Movie ratings: predict, train with new ratings, see the predictions change, and trace them back."""

import time
from collections.abc import Callable
from typing import Any

from deploy.demo.client import DemoError, Platform
from deploy.demo.report import Result

PAIRS = ["233 346", "125 378", "nobody 346"]
RATED = ["244 346", "244 355"]


def run(platform: Platform, progress: Callable[[str], None]) -> list[Result]:
    """Run the workflow once; raises `DemoError` if a result is wrong."""
    began = time.monotonic()
    progress("ratings: waiting for the first model")
    champion = platform.wait(lambda: platform.get("/ratings/models")["champion"], 180, "the first model")
    first_model = time.monotonic() - began

    progress("ratings: asking for predictions")
    began = time.monotonic()
    requested = platform.post("/ratings/predict", {"data": PAIRS})["filename"]
    before = platform.wait(lambda: _ready(platform, requested), 60, f"the predictions for {requested}")
    predicting = time.monotonic() - began
    _check_lines(before)

    progress("ratings: training with two new ratings")
    began = time.monotonic()
    # other stars in each run of the demo, so that each run changes the predictions
    ratings = [f"{pair} {(champion + index) % 5 + 1} {int(time.time())}" for index, pair in enumerate(RATED)]
    submitted = platform.post("/ratings/train", {"data": ratings})["filename"]
    why = platform.wait(
        lambda: _traced(platform, requested, submitted), 120, f"predictions of a model that knows {submitted}"
    )
    training = time.monotonic() - began
    after = platform.get(f"/ratings/result/{requested}")["data"]
    _check_lines(after)
    model = why["model"]
    if after == before or model["version"] <= champion:
        raise DemoError(f"two new ratings changed nothing: model {model['version']}, {after!r}")
    if platform.get(f"/ratings/result/{requested}", model=champion)["data"] != before:
        raise DemoError(f"the earlier predictions of model {champion} have changed")
    metrics = model["metrics"]
    rating = after.split("\n")[0].split(" ")[2]
    return [
        Result(
            "ratings", f"champion: model {champion}", f"ratings/models/{champion}.json", first_model, "/ratings/models"
        ),
        Result(
            "ratings",
            f"{len(PAIRS)} predictions by model {champion}",
            f"ratings/predict/{champion}/{requested}",
            predicting,
            f"/ratings/result/{requested}?model={champion}",
        ),
        Result(
            "ratings",
            f"model {model['version']} on {metrics['rows']:,.0f} ratings, holdout RMSE {metrics['holdout_rmse']:.4f}; "
            f"({PAIRS[0]}) is now {float(rating):.4f}",
            f"ratings/training/{submitted}",
            training,
            f"/ratings/predictions/{requested}/why",
        ),
    ]


def _ready(platform: Platform, name: str) -> str | None:
    result = platform.post("/ratings/result", {"filename": name})
    if "error" in result:
        raise DemoError(f"{name}: {result['error']}")
    return result["data"] if result["ready"] else None


def _traced(platform: Platform, requested: str, submitted: str) -> dict[str, Any] | None:
    why = platform.find(f"/ratings/predictions/{requested}/why", line=1)  # none until the new champion has predicted
    return why if why and submitted in why["training"]["files"] else None


def _check_lines(text: str) -> None:
    lines = text.split("\n")
    if [line.rsplit(" ", 1)[0] for line in lines[:-1]] != PAIRS or lines[-1]:
        raise DemoError(f"the predictions for {PAIRS} are {text!r}")
    for line in lines[:-1]:
        if not 1 <= float(line.rsplit(" ", 1)[1]) <= 5:
            raise DemoError(f"a rating from 1 to 5 was expected, found {line!r}")

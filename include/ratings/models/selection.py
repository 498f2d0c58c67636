"""Model selection: cross-validation of every algorithm on the same folds of the same data, and the best of them."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from surprise.model_selection import KFold

from include.core.errors import BadDataError
from include.core.storage import StoragePath, read_json, write_json
from include.ratings import layout
from include.ratings.data.dataset import RatingDataset
from include.ratings.data.rows import Rating
from include.ratings.models import algorithms, training
from include.ratings.models.accuracy import mae, rmse


@dataclass(frozen=True)
class Cell:
    """One algorithm on one fold."""

    algorithm: str
    fold: int
    """From 0."""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Result of one algorithm on one fold, or why there is none."""

    algorithm: str
    fold: int
    rmse: float | None = None
    """Stars."""
    mae: float | None = None
    """Stars."""
    fit_seconds: float = 0.0
    test_seconds: float = 0.0
    bytes: int = 0
    """Size of the model as stored."""
    error: str | None = None


@dataclass(frozen=True)
class Score:
    """Result of one algorithm on all folds."""

    algorithm: str
    options: dict[str, Any]
    rmse: float | None
    """Mean over the folds, in stars; `None`: the algorithm failed or is not applicable."""
    rmse_sd: float | None
    """Standard deviation over the folds (of the population, as Surprise prints it)."""
    mae: float | None
    mae_sd: float | None
    rmse_folds: list[float]
    mae_folds: list[float]
    fit_seconds: float
    """Mean over the folds."""
    test_seconds: float
    bytes: int
    error: str | None


def cells(names: Sequence[str], options: Mapping[str, Mapping[str, Any]], folds: int, seed: int) -> list[Cell]:
    """
    Return what has to be evaluated, every algorithm checked.

    Args:
        names: algorithms, see `algorithms.build`.
        options: constructor arguments by algorithm.
        folds: number of folds, 2 or more.
        seed: random state of the algorithms.

    Raises:
        BadDataError: an algorithm cannot be constructed, or options are given for one that is not compared.
    """
    if not names:
        raise BadDataError("at least one algorithm was expected, found none")
    if unknown := sorted(set(options) - set(names)):
        raise BadDataError(f"options were given for {', '.join(unknown)}, which is not compared")
    for name in names:
        algorithms.build(name, options.get(name), seed)
    return [Cell(name, fold, dict(options.get(name, {}))) for name in names for fold in range(folds)]


def evaluate(rows: Sequence[Rating], cell: Cell, folds: int, seed: int) -> Outcome:
    """
    Fit on all folds but one and measure on that one.

    The folds are those of Surprise's `KFold(folds, random_state=seed)`, the same for all algorithms. If an algorithm
    fails or is not applicable to these ratings, the outcome says why; the others go on.
    """
    if reason := algorithms.why_not_applicable(cell.algorithm, {row.stars for row in rows}):
        return Outcome(cell.algorithm, cell.fold, error=f"not applicable: {reason}")
    data = RatingDataset(rows)
    trainset, test = next(
        parts for fold, parts in enumerate(KFold(folds, random_state=seed).split(data)) if fold == cell.fold
    )
    try:
        model = algorithms.build(cell.algorithm, cell.options, seed)
        np.random.seed(seed)  # some algorithms draw from numpy's global state, NormalPredictor when it predicts
        started = perf_counter()
        model.fit(trainset)
        fitted = perf_counter()
        errors = [model.predict(user, movie).est - stars for user, movie, stars in test]
        tested = perf_counter()
        size = len(training.dump(model))
    except Exception as error:  # third-party code may raise anything; the comparison goes on without it
        return Outcome(cell.algorithm, cell.fold, error=f"{type(error).__name__}: {error}")
    return Outcome(cell.algorithm, cell.fold, rmse(errors), mae(errors), fitted - started, tested - fitted, size)


@dataclass(frozen=True)
class Comparison:
    """Results of all algorithms."""

    scores: list[Score]
    """Lowest RMSE first, those without one last."""
    chosen: str | None
    """The algorithm with the lowest RMSE among those fit for production; `None`: there is none."""

    @property
    def note(self) -> str:
        """Which algorithm is best and which failed."""
        failed = [score.algorithm for score in self.scores if score.error]
        return f"{self.chosen or 'none'} is best" + (f"; without {', '.join(failed)}" if failed else "")

    def by_algorithm(self) -> dict[str, dict[str, Any]]:
        """Return the values of each score by its algorithm."""
        return {score.algorithm: asdict(score) for score in self.scores}

    def table(self) -> bytes:
        """Return the scores as CSV, one line per algorithm."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(Score.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        for values in self.by_algorithm().values():
            writer.writerow(
                {key: json.dumps(each) if isinstance(each, list | dict) else each for key, each in values.items()}
            )
        return text.getvalue().encode()


def compare(
    outcomes: Iterable[Mapping[str, Any]],
    options: Mapping[str, Mapping[str, Any]],
    max_fit_seconds: float | None = None,
) -> Comparison:
    """
    Combine the folds of each algorithm and choose the best one.

    Args:
        outcomes: results of `evaluate`, as mappings.
        options: constructor arguments by algorithm.
        max_fit_seconds: longest mean fit of an algorithm that may be chosen; `None`: any.
    """
    by_algorithm: dict[str, list[Outcome]] = defaultdict(list)
    for each in outcomes:
        outcome = Outcome(**each)
        by_algorithm[outcome.algorithm].append(outcome)
    scores = [_score(name, parts, dict(options.get(name, {}))) for name, parts in by_algorithm.items()]
    scores.sort(key=lambda score: (score.rmse is None, score.rmse, score.algorithm))
    fit = [
        score.algorithm
        for score in scores
        if score.rmse is not None
        and not algorithms.predicts_at_random(score.algorithm)
        and (max_fit_seconds is None or score.fit_seconds <= max_fit_seconds)
    ]
    return Comparison(scores, fit[0] if fit else None)


def _score(name: str, parts: Sequence[Outcome], options: dict[str, Any]) -> Score:
    parts = sorted(parts, key=lambda part: part.fold)
    error = next((part.error for part in parts if part.error), None)
    rmses = [part.rmse for part in parts if part.rmse is not None]
    maes = [part.mae for part in parts if part.mae is not None]
    whole = error is None
    return Score(
        algorithm=name,
        options=options,
        rmse=float(np.mean(rmses)) if whole else None,
        rmse_sd=float(np.std(rmses)) if whole else None,
        mae=float(np.mean(maes)) if whole else None,
        mae_sd=float(np.std(maes)) if whole else None,
        rmse_folds=rmses,
        mae_folds=maes,
        fit_seconds=float(np.mean([part.fit_seconds for part in parts])),
        test_seconds=float(np.mean([part.test_seconds for part in parts])),
        bytes=max(part.bytes for part in parts),
        error=error,
    )


def save(root: StoragePath, run: str, at: str, found: Comparison, *, use: bool, note: str = "") -> None:
    """
    Write the comparison; with *use*, trainings use the chosen algorithm from now on.

    Args:
        root: the workflow's folder.
        run: the DAG run.
        at: UTC, ISO 8601.
        found: the comparison.
        use: whether to train with the chosen algorithm from now on.
        note: of the DAG run.
    """
    scores = found.by_algorithm()
    if use and found.chosen:
        chosen = {"algorithm": found.chosen, "options": scores[found.chosen]["options"]}
        write_json(layout.algorithm_file(root), {**chosen, "dag_run_id": run, "at": at})
    content = {"dag_run_id": run, "chosen": found.chosen, "note": note, "scores": list(scores.values())}
    write_json(layout.selection_file(root, at), content)


def saved(root: StoragePath, run: str, at: str) -> dict[str, Any] | None:
    """Return what the DAG run *run* has saved with its note, if it has."""
    found = read_json(layout.selection_file(root, at))
    return found if found and found["dag_run_id"] == run and "note" in found else None

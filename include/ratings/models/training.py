"""Training of one model: pinned data in, an artefact with its metrics and provenance out."""

import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from time import perf_counter
from typing import Any

import numpy as np
from surprise import AlgoBase

from include.core.errors import BadDataError, DamagedObjectError
from include.core.storage import StoragePath, read_bytes
from include.ratings.data.dataset import RatingDataset, canonical, fingerprint, holdout, without_pairs
from include.ratings.data.rows import Rating
from include.ratings.models import algorithms
from include.ratings.models.accuracy import mae, rmse
from include.ratings.models.champion import MEAN_RMSE, NOT_FINITE


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a model; two trainings of one recipe give the same model."""

    training_fingerprint: str
    base_sha256: str
    algorithm: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    surprise: str = field(default_factory=lambda: installed("scikit-surprise"))
    numpy: str = field(default_factory=lambda: installed("numpy"))
    features_version: int | None = None

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> "Recipe":
        """Return the recipe with these tags, with the libraries of today."""
        features = tags.get("features_version")
        return cls(
            training_fingerprint=tags["training_fingerprint"],
            base_sha256=tags["base_sha256"],
            algorithm=tags["algorithm"],
            options=json.loads(tags["options"]),
            seed=int(tags["seed"]),
            features_version=None if features is None else int(features),
        )

    def tags(self) -> dict[str, str]:
        """
        Return the tags of the model version; `recipe` is the sha256 over the others.

        Raises:
            BadDataError: an algorithm of one's own cannot be imported; its code is one of the tags.
        """
        tags = {
            "training_fingerprint": self.training_fingerprint,
            "base_sha256": self.base_sha256,
            "algorithm": self.algorithm,
            "options": json.dumps(self.options, sort_keys=True),
            "seed": str(self.seed),
            "surprise": self.surprise,
            "numpy": self.numpy,
        }
        if self.features_version is not None:
            tags["features_version"] = str(self.features_version)
        if code := algorithms.code_sha256(self.algorithm):
            tags["code"] = code
        return tags | {"recipe": hashlib.sha256(json.dumps(tags, sort_keys=True).encode()).hexdigest()}


@dataclass(frozen=True)
class TrainingData:
    """Base and submitted ratings, pinned."""

    base: Sequence[Rating]
    submitted: Sequence[Rating]
    rows: Sequence[Rating]
    """All of them in their canonical order."""

    @classmethod
    def of(cls, base: Sequence[Rating], submitted: Sequence[Rating]) -> "TrainingData":
        """Combine *base* and *submitted*."""
        return cls(base, submitted, canonical(base, submitted))

    def fingerprint(self) -> str:
        """Return the sha256 over the canonical rows."""
        return fingerprint(self.rows)


@dataclass(frozen=True)
class Trained:
    """A fitted model."""

    artefact: bytes
    """Surprise's dump format: a pickled dict with `predictions` (None) and `algo`."""
    metrics: dict[str, float]


def train(data: TrainingData, recipe: Recipe) -> Trained:
    """
    Fit the recipe's algorithm on all rows, and a second time without the holdout to measure it.

    Returns:
        The artefact, and the metrics `rows_base`, `rows_submitted`, `rows_replaced`, `rows`, `users`, `movies`,
        `global_mean` (stars), `fit_seconds`, `bytes`, `train_rmse`, `holdout_rmse`, `holdout_mae` (stars),
        `holdout_rmse_of_mean` (of the mean rating as the only prediction) and `not_finite` (number of factors and
        estimates that are not finite).

    Raises:
        BadDataError: there is no row, or the algorithm cannot be used for these data or for production.
    """
    if algorithms.predicts_at_random(recipe.algorithm):
        raise BadDataError(f"{recipe.algorithm} predicts at random; it can be measured but not used in production")
    if reason := algorithms.why_not_applicable(recipe.algorithm, {row.stars for row in data.rows}):
        raise BadDataError(reason)
    held_out = holdout(data.base)
    measured_model = fit(recipe, without_pairs(data.rows, held_out))
    measured = Estimates.of(measured_model, held_out)
    mean = float(measured_model.trainset.global_mean)
    started = perf_counter()
    model = fit(recipe, data.rows)
    fit_seconds = perf_counter() - started
    artefact = dump(model)
    fitted = Estimates.of(model, data.rows)
    metrics = {
        "rows_base": len(data.base),
        "rows_submitted": len(data.submitted),
        "rows_replaced": len(data.base) + len(data.submitted) - len(data.rows),
        "rows": len(data.rows),
        "users": model.trainset.n_users,
        "movies": model.trainset.n_items,
        "global_mean": float(model.trainset.global_mean),
        "fit_seconds": fit_seconds,
        "bytes": len(artefact),
        "train_rmse": rmse(fitted.errors),
        "holdout_rmse": rmse(measured.errors),
        "holdout_mae": mae(measured.errors),
        MEAN_RMSE: rmse([mean - row.stars for row in held_out]),
        NOT_FINITE: measured.not_finite + fitted.not_finite + _factors_not_finite(model),
    }
    return Trained(artefact, metrics)


def fit(recipe: Recipe, rows: Sequence[Rating]) -> AlgoBase:
    """Fit on *rows* in their order; the same recipe and rows give the same model to the last bit."""
    trainset = RatingDataset(rows).full_trainset()
    model = algorithms.build(recipe.algorithm, recipe.options, recipe.seed)
    np.random.seed(recipe.seed)  # for algorithms that draw from numpy's global state
    model.fit(trainset)
    return model


@dataclass(frozen=True)
class Estimates:
    """What a model estimates for ratings that are known."""

    errors: np.ndarray
    """Estimates within the scale minus ratings, in stars."""
    not_finite: int
    """Number of estimates that are not finite before they are cut to the scale, which would hide them."""

    @classmethod
    def of(cls, model: AlgoBase, rows: Sequence[Rating]) -> "Estimates":
        """Estimate each of *rows*."""
        lowest, highest = model.trainset.rating_scale
        found = [float(model.predict(row.user, row.movie, clip=False).est) for row in rows]
        errors = [max(lowest, min(highest, each)) - row.stars for each, row in zip(found, rows, strict=True)]
        return cls(np.array(errors), int(np.count_nonzero(~np.isfinite(found))))


def _factors_not_finite(model: AlgoBase) -> int:
    """Count the numbers of a built-in model that are not finite; others may use them for something of their own."""
    if type(model).__name__ not in algorithms.BUILT_IN:
        return 0
    arrays = (value for value in vars(model).values() if isinstance(value, np.ndarray) and value.dtype.kind == "f")
    return sum(int(np.count_nonzero(~np.isfinite(array))) for array in arrays)


def dump(model: AlgoBase) -> bytes:
    """Serialise in Surprise's dump format (what `surprise.dump.load` reads)."""
    return pickle.dumps({"predictions": None, "algo": model}, protocol=pickle.HIGHEST_PROTOCOL)


def load(path: StoragePath, sha256: str) -> AlgoBase:
    """
    Read a model back. It is a pickle, that is code, so only with the checksum that our own training wrote.

    Raises:
        DamagedObjectError: the artefact at *path* is not what was written.
        FileNotFoundError: it does not exist.
    """
    content = pickle.loads(read_bytes(path, sha256=sha256))  # noqa: S301 - our own, checksum verified
    if not (isinstance(content, dict) and isinstance(content.get("algo"), AlgoBase)):
        raise DamagedObjectError(f"{path}: a model in Surprise's dump format was expected")
    return content["algo"]

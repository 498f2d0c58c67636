"""Loads a ratings model for MLflow: `mlflow.pyfunc.load_model("models:/ratings@champion").predict(frame)`.

Every registered model version names this module as its loader, so it stays where it is.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


class RatingModel:
    """A Surprise model behind MLflow's interface."""

    def __init__(self, algorithm: Any) -> None:
        """Wrap a fitted `surprise.AlgoBase`."""
        self.algorithm = algorithm

    def predict(self, pairs: pd.DataFrame) -> np.ndarray:
        """Predict stars (1.0 to 5.0), shape (n,), for the columns `user` and `movie`; ids are text."""
        ids = zip(pairs["user"].astype(str), pairs["movie"].astype(str), strict=True)
        return np.array([self.algorithm.predict(user, movie).est for user, movie in ids], dtype=float)


def _load_pyfunc(path: str) -> RatingModel:
    """Load the artefact that a training has logged; MLflow calls this by name."""
    return RatingModel(pickle.loads(Path(path).read_bytes())["algo"])  # noqa: S301 - from our own registry

"""Accuracy of predicted ratings."""

import numpy as np
from numpy.typing import ArrayLike


def rmse(errors: ArrayLike) -> float:
    """Root mean square of *errors*, in their unit; NaN if there are none."""
    values = np.asarray(errors, dtype=float)
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")


def mae(errors: ArrayLike) -> float:
    """Mean absolute value of *errors*, in their unit; NaN if there are none."""
    values = np.asarray(errors, dtype=float)
    return float(np.mean(np.abs(values))) if values.size else float("nan")

"""Params of runs."""

from typing import Any

import pytest

from include.core.errors import BadDataError
from include.ratings.request import SelectionRequest

PARAMS: dict[str, Any] = {
    "algorithms": ["SVD"],
    "options": {},
    "folds": 5,
    "seed": 0,
    "training": None,
    "max_fit_seconds": None,
    "use": False,
}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"SVD": {"n_factors": 200_000_000}}, "'n_factors' from -1000 to 1000 was expected, found 200000000"),
        ({"SVD": {"n_epochs": 1e300}}, "'n_epochs' from -1000 to 1000 was expected, found 1e[+]300"),
        ({"SVD": {"reg_all": float("nan")}}, "'reg_all' from -10000 to 10000 was expected, found nan"),
        ({"BaselineOnly": {"bsl_options": {"n_epochs": 10**9}}}, "'BaselineOnly': 'n_epochs' from -1000 to 1000"),
        ({"KNNBasic": {"k": 10**7}}, "'k' from -10000 to 10000 was expected"),
    ],
)
def test_options_that_would_take_all_memory_or_time_are_refused(options, found):
    with pytest.raises(BadDataError, match=found):
        SelectionRequest.from_params(PARAMS | {"options": options})


@pytest.mark.parametrize("folds", [0, 1, 21, 10**9])
def test_folds_are_bounded(folds):
    with pytest.raises(BadDataError, match=f"folds: 2 to 20 were expected, found {folds}"):
        SelectionRequest.from_params(PARAMS | {"folds": folds})


@pytest.mark.parametrize(
    "options",
    [{}, {"SVD": {"n_factors": 1000, "biased": True, "random_state": 2**32 - 1, "lr_all": 0.005}}],
)
def test_usual_options_are_accepted(options):
    assert SelectionRequest.from_params(PARAMS | {"options": options}).options == options

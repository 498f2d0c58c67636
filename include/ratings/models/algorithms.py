"""The rating algorithms: the eleven of Surprise by name, any other `AlgoBase` subclass by import path."""

import hashlib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from include.core.errors import BadDataError

if TYPE_CHECKING:
    from surprise import AlgoBase

BUILT_IN = (
    "BaselineOnly",
    "CoClustering",
    "KNNBaseline",
    "KNNBasic",
    "KNNWithMeans",
    "KNNWithZScore",
    "NMF",
    "NormalPredictor",
    "SVD",
    "SVDpp",
    "SlopeOne",
)

RANDOM_PREDICTIONS = frozenset({"NormalPredictor"})
"""Algorithms that draw random numbers when they predict: equal requests get different predictions."""

WHOLE_STARS_ONLY = frozenset({"CoClustering", "SlopeOne"})
"""Algorithms whose Surprise implementation silently cuts ratings to integers (3.5 counts as 3)."""


def build(name: str, options: Mapping[str, Any] | None = None, seed: int = 0) -> "AlgoBase":
    """
    Build an algorithm that is ready to fit.

    Args:
        name: one of `BUILT_IN` or an import path `package.module:Class`.
        options: keyword arguments of its constructor.
        seed: given as `random_state` to an algorithm that takes one.

    Raises:
        BadDataError: it cannot be imported, is not a subclass of `surprise.AlgoBase` or refuses the options.
    """
    algorithm = _find(name)
    taken = inspect.signature(algorithm.__init__).parameters
    given: dict[str, Any] = {"random_state": seed, "verbose": False}
    arguments = {key: value for key, value in given.items() if key in taken} | dict(options or {})
    try:
        return algorithm(**arguments)
    except Exception as error:  # third-party code may raise anything
        raise BadDataError(f"algorithm {name} cannot be constructed with {arguments}: {error}") from error


def _find(name: str) -> "type[AlgoBase]":
    import surprise

    if name in BUILT_IN:
        return getattr(surprise, name)
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # an import may run any code
        raise BadDataError(f"algorithm {name!r} cannot be imported: {error!r}") from error
    if not (isinstance(found, type) and issubclass(found, surprise.AlgoBase)):
        raise BadDataError(f"algorithm {name!r}: a subclass of surprise.AlgoBase was expected, found {found!r}")
    return found


def code_sha256(name: str) -> str | None:
    """
    Return the checksum of the module of an algorithm given by an import path; `None`: it is built in.

    What that module imports is not part of it.

    Raises:
        BadDataError: it cannot be imported.
    """
    if name in BUILT_IN:
        return None
    module = inspect.getmodule(_find(name))
    try:
        source = inspect.getsource(module) if module else ""
    except OSError:  # compiled
        return None
    return hashlib.sha256(source.encode()).hexdigest()


def why_not_applicable(name: str, stars: Iterable[float]) -> str | None:
    """Return why *name* must not be trained on ratings of *stars*; `None`: it may."""
    if name in WHOLE_STARS_ONLY and any(each != int(each) for each in stars):
        return f"{name} cuts ratings to whole stars, and the data have fractional ones"
    return None


def predicts_at_random(name: str) -> bool:
    """Whether equal requests get different predictions, which bars an algorithm from production."""
    return name in RANDOM_PREDICTIONS

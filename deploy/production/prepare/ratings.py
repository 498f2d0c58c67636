"""Preparation of the ratings workflow."""

from pathlib import Path


def base_ratings() -> None:
    """Store the base ratings from MOVIELENS_100K; if it is not set, the first training downloads them."""
    from include.ratings.data import base
    from include.ratings.settings import RatingsSettings
    from quartet.hooks.storage import StorageHook

    if location := RatingsSettings.load().movielens_100k:
        base.store(StorageHook().path("ratings"), base.read_movielens(Path(location)), location)


STEPS = {"base ratings": base_ratings}

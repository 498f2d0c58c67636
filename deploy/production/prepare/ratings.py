"""What the ratings workflow needs before the platform starts."""

from pathlib import Path


def base_ratings() -> None:
    """Store the base data that MOVIELENS_100K names; without it the first training fetches them."""
    from include.ratings import base
    from include.ratings.settings import RatingsSettings
    from quartet.hooks.storage import StorageHook

    if location := RatingsSettings.load().movielens_100k:
        base.store(StorageHook().path("ratings"), base.read_movielens(Path(location)), location)


STEPS = {"base ratings": base_ratings}

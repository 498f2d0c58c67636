"""Base data for the demo: MovieLens 100K if it can be downloaded, else generated ratings of the same shape."""

from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from deploy.demo.ratings import generate
from include.core.settings import PlatformSettings
from include.core.storage import StoragePath
from include.ratings.data import base
from include.ratings.settings import RatingsSettings


def provide(console: Console) -> None:
    """
    Store base data before the platform starts, if there are none.

    Raises:
        BadDataError: MOVIELENS_100K is set, but does not name MovieLens 100K.
    """
    root, location = _root(), RatingsSettings.load().movielens_100k
    if not location and base.stored_source(root) not in (None, base.GENERATED):
        return
    try:
        if location:
            base.store(root, base.read_movielens(Path(location).expanduser()), location)
        else:
            console.print("fetching MovieLens 100K from GroupLens")
            base.store(root, *_fetch())
    except ConnectionError as error:
        console.print(
            Panel(
                f"{error}\n\nThe demo continues with [bold]generated ratings[/bold] of the same shape: everything "
                "works, but the numbers are not those of MovieLens.",
                title="MovieLens 100K cannot be downloaded",
                border_style="red",
                width=min(console.width, 110),
            ),
            soft_wrap=False,
        )
        base.store(root, generate.movielens_like(), base.GENERATED)


def _root() -> StoragePath:
    url = PlatformSettings.load().storage_url
    if url.startswith("file://"):
        return Path(url.removeprefix("file://")) / "ratings"  # importing Airflow would take seconds
    from quartet.hooks.storage import StorageHook

    return StorageHook().path("ratings")


def _fetch() -> tuple[bytes, str]:
    from quartet.hooks import movielens

    return movielens.fetch()

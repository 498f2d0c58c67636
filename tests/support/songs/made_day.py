"""The worked example as a run of song plays delivers it."""

from datetime import UTC, date, datetime
from pathlib import Path

from include.core.remote.stored import StoredFile
from include.songs.downloads.download import download
from include.songs.pipeline import Dependencies, Pipeline
from include.songs.request import from_params
from include.songs.schemas import LISTENERS, SPINS
from include.songs.settings import SongSettings
from tests.support.songs import example
from tests.support.songs.jobs import table, write

DAY = date(2019, 2, 8)
NOW = datetime(2019, 2, 9, 6, tzinfo=UTC)


def make_day(root: Path) -> None:
    """Download both sources of the example into a song plays folder and deliver its day, as the run `manual__1`."""
    remote = root.parent / "remote"
    spins = write(table(SPINS, example.PLAYS), remote / "spins")
    listeners = write(table(LISTENERS, example.LISTENERS), remote / "listeners")
    download(root, "spins", DAY, StoredFile(spins), NOW)
    download(root, "listeners", DAY, StoredFile(listeners), NOW)
    run = pipeline(root)
    assert run.take_day()
    run.duckdb()
    run.check()


def pipeline(root: Path) -> Pipeline:
    """Return the run that delivers the day."""
    settings = SongSettings.load()
    request = from_params({"day": DAY.isoformat(), "minrows": 1}, "manual__1", None, settings)
    return Pipeline(Dependencies(root, lambda: datetime.now(UTC), lambda *_: None), settings, request)

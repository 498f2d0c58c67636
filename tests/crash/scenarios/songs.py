"""A day of song plays with DuckDB: the worked example."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from include.core.remote.stored import StoredFile
from include.songs import layout, report
from include.songs.downloads.download import download
from include.songs.pipeline import Dependencies, Pipeline
from include.songs.request import from_params
from include.songs.schemas import LISTENERS, SPINS
from include.songs.settings import SongSettings
from tests.crash import dumps
from tests.crash.harness import Results, Scenario
from tests.support.songs import example
from tests.support.songs.jobs import table, write

DAY = date(2019, 2, 8)
NOW = datetime(2019, 2, 9, 6, tzinfo=UTC)


class Songs(Scenario):
    """The DAG `song_plays`."""

    imports = ("include.songs.engines.duckdb_job",)
    steps = ("open_day", "spins", "listeners", "take_day", "duckdb", "check")
    remote: ClassVar[dict[str, Any]] = {"spins": (SPINS, example.PLAYS), "listeners": (LISTENERS, example.LISTENERS)}

    def prepare(self, folder: Path) -> None:
        """Write both remote files, and download other listeners for an earlier day."""
        earlier = write(table(LISTENERS, example.LISTENERS[:2]), folder / "remote" / "earlier")
        download(folder / "songs", "listeners", DAY - timedelta(days=1), StoredFile(earlier), NOW)
        for name, (columns, rows) in self.remote.items():
            write(table(columns, rows), folder / "remote" / name)

    def run(self, folder: Path, step: str, results: Results) -> Any:
        """Run a step."""
        settings = SongSettings.load()
        request = from_params({"day": DAY.isoformat(), "minrows": 6}, "run", None, settings)
        pipeline = Pipeline(Dependencies(folder / "songs", lambda: NOW, lambda *_: None), settings, request)
        if step in self.remote:
            return bool(getattr(pipeline, step)(StoredFile(folder / "remote" / step))) or True
        if step == "check":
            return _stable(pipeline.check().as_json())
        return getattr(pipeline, step)()

    def dump(self, folder: Path) -> dict[str, Any]:
        """Return all files of the workflow."""
        return dumps.files(folder / "songs", volatile=VOLATILE)

    def view(self, folder: Path) -> Any:
        """Return the outputs of the day, if it is complete, and its report."""
        root = folder / "songs"
        if not layout.has_outputs(root, DAY):
            return None
        parts = [dumps.files(each(root, DAY)) for each in (layout.dataset_folder, layout.counts_folder)]
        found = report.read(root, DAY)
        return [part[layout.PART] for part in parts], found and found.rows


VOLATILE = {"seconds"}


def _stable(report: dict[str, Any]) -> dict[str, Any]:
    return dumps.normalised(report, VOLATILE)

"""A made-up music service for the demo: a web server on this machine, its files, and the counts expected of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from deploy.demo import server
from deploy.demo.songs import generate

Counts = dict[tuple[int, str], int]
"""Zip code and subscription type → plays."""


@dataclass(frozen=True)
class MusicService:
    """A service that serves the files of a folder at an address."""

    folder: Path
    address: str

    def prepare(self, day: date) -> Counts:
        """Write the listeners, and aside the spins of a day; return the counts expected of them."""
        spins, listeners = generate.make(day)
        generate.write(listeners, self.folder / "listeners.snappy.parquet")
        generate.write(spins, self._aside(day))
        return expected(spins, listeners)

    def release(self, day: date) -> None:
        """Publish the spins of a day, in one step."""
        self._aside(day).replace(self.folder / f"spins-{day}.snappy.parquet")

    def _aside(self, day: date) -> Path:
        return self.folder / f".{day}"


@contextmanager
def serve() -> Iterator[MusicService]:
    """Run the music service during the block; its files are removed at the end."""
    with (
        TemporaryDirectory(prefix="quartet-music-") as folder,
        server.serve(partial(_Files, directory=folder)) as address,
    ):
        yield MusicService(Path(folder), address)


def expected(spins: pa.Table, listeners: pa.Table) -> Counts:
    """Count the distinct plays of more than 30 s that have a known listener."""
    plays = spins.to_pandas().query("elapsed_seconds > 30").drop_duplicates()
    joined = plays.merge(listeners.to_pandas(), on="fake_listener_id")
    return joined.groupby(["fake_zipcode", "subscription_type"]).size().to_dict()


class _Files(SimpleHTTPRequestHandler):
    """Serves the files of the folder."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the demo prints its own lines."""

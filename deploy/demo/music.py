"""A music service that does not exist, for the demo: its files on this machine, and what is to come of them."""

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
from include.songs import generate

Counts = dict[tuple[int, str], int]
"""Zip code and subscription type → plays."""


@dataclass(frozen=True)
class Service:
    """A service whose files are in a folder and at an address."""

    folder: Path
    address: str

    def prepare(self, day: date) -> Counts:
        """Make listeners and the spins of a day, these aside; give the counts that are to come of them."""
        spins, listeners = generate.make(day)
        generate.write(listeners, self.folder / "listeners.snappy.parquet")
        generate.write(spins, self._aside(day))
        return expected(spins, listeners)

    def release(self, day: date) -> None:
        """Let the spins of a day be there, whole at once."""
        self._aside(day).replace(self.folder / f"spins-{day}.snappy.parquet")

    def _aside(self, day: date) -> Path:
        return self.folder / f".{day}"


@contextmanager
def serve() -> Iterator[Service]:
    """Be the music service; nothing of it stays."""
    with (
        TemporaryDirectory(prefix="quartet-music-") as folder,
        server.serve(partial(_Files, directory=folder)) as address,
    ):
        yield Service(Path(folder), address)


def expected(spins: pa.Table, listeners: pa.Table) -> Counts:
    """Count plays of more than 30 s of known listeners, copies once."""
    plays = spins.to_pandas().query("elapsed_seconds > 30").drop_duplicates()
    joined = plays.merge(listeners.to_pandas(), on="fake_listener_id")
    return joined.groupby(["fake_zipcode", "subscription_type"]).size().to_dict()


class _Files(SimpleHTTPRequestHandler):
    """Answers with the files of the folder."""

    def log_message(self, format: str, *args: Any) -> None:
        """Be silent: the demo has its own lines."""

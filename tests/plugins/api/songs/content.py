"""A day of song plays as the API finds it."""

import gzip
from datetime import date

from include.core.storage import StoragePath, write_whole
from include.songs import layout

DAY = date(2019, 2, 8)
URL = "/days/2019-02-08"
PART = "part-00000-9c3b.c000.csv.gz"
HEADER = "fake_zipcode\tsubscription_type\tspins\n"
COUNTS = [
    (None, "", 2),
    (None, "Family", 1),
    (10001, "Premium", 3),
    (90210, "Family", 4),
    (90210, "Plus\x85\u2028\"'", 5),
]
TITLES = 'fake_listener_id\ttrack_title\n1\tSay "Hi" \\ \x85\u2028é\n2\t\n'
VERSION = {"sha256": "5b" * 32, "size": 226_804, "fetched_at": "2019-02-09T06:00:00+00:00", "source": "file:///a"}
REPORT = {
    "day": "2019-02-08",
    "engine": "duckdb",
    "run_id": "manual__1",
    "finished_at": "2019-02-09T06:01:00+00:00",
    "rows": 15,
    "groups": 5,
    "minrows": 10,
    "metrics": {"spins_read": 20, "seconds": {"join": 0.5}},
    "spins": None,
    "listeners": VERSION,
}


def packed(header: str, *lines: str) -> bytes:
    """Return a gzip file whose header is a member of its own."""
    return gzip.compress(header.encode()) + gzip.compress("".join(lines).encode())


def counted(rows: list[tuple[int | None, str, int]]) -> bytes:
    return packed(HEADER, *(f"{'' if code is None else code}\t{kind}\t{spins}\n" for code, kind, spins in rows))


DATASET_FILE, COUNTS_FILE = packed(TITLES), counted(COUNTS)


def fill(root: StoragePath, day: date = DAY) -> None:
    """Write all files of a day."""
    write_whole(layout.spins_file(root, day), b"PAR1")
    write_whole(layout.listeners_file(root), b"PAR1")
    write_whole(layout.marker(root, day), b"")
    for folder, data in ((layout.dataset_folder, DATASET_FILE), (layout.counts_folder, COUNTS_FILE)):
        write_whole(folder(root, day) / PART, data)
        write_whole(folder(root, day) / "_SUCCESS", b"")


def rows(counts: list[tuple[int | None, str, int]]) -> list[dict]:
    return [{"zip": code, "subscription": kind, "spins": spins} for code, kind, spins in counts]

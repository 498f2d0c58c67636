"""The base data: MovieLens 100K (or a generated set of its shape), part of every training."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from include.core.errors import BadDataError
from include.core.storage import StoragePath, read_bytes, read_json, write_json, write_whole
from include.ratings import layout
from include.ratings.data.rows import Rating

# of the files that GroupLens publishes as ml-100k.zip
MD5 = {
    "u.data": "6e47046882bad158b0efbb84cd5cb987",
    "u.item": "c9e7f390115d79079537301d5204f3f7",
    "u.user": "1b53539edc13caad0282c8500608a319",
}
GENERATED = "generated"


@dataclass(frozen=True)
class Base:
    """The base ratings."""

    rows: list[Rating]
    """In file order, no (user, movie) twice."""
    sha256: str
    """Checksum of the file, 64 hexadecimal digits."""
    source: str
    """Where the file came from: a folder, a zip file, an address or `generated`."""


def read_movielens(location: Path) -> bytes:
    """
    Read `u.data` from a folder or zip file with MovieLens 100K.

    Returns:
        The content of `u.data`, checksum verified; those of `u.item` and `u.user` are verified too if present.

    Raises:
        BadDataError: `u.data` is missing, or a file differs from what GroupLens published.
    """
    if location.is_dir():
        files = {name: (location / name).read_bytes() for name in MD5 if (location / name).is_file()}
        return checked(files, str(location))
    if location.is_file():
        return checked(unzipped(location.read_bytes(), str(location)), str(location))
    raise BadDataError(f"MOVIELENS_100K: a folder or zip file was expected, found nothing at {location}")


def unzipped(archive: bytes, where: str) -> dict[str, bytes]:
    """Return the MovieLens files of a zip file by name; raises `BadDataError` if it is not a zip file."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            entries = {entry.rsplit("/", 1)[-1]: entry for entry in opened.namelist()}
            return {name: opened.read(entries[name]) for name in MD5 if name in entries}
    except (zipfile.BadZipFile, EOFError) as error:
        raise BadDataError(f"{where}: a zip file was expected: {error}") from error


def checked(files: dict[str, bytes], where: str) -> bytes:
    """Return `u.data` of *files*, all checksums verified; raises `BadDataError` with the name of a wrong file."""
    if "u.data" not in files:
        raise BadDataError(f"{where}: MovieLens 100K was expected, but there is no u.data")
    for name, content in files.items():
        if (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != MD5[name]:
            raise BadDataError(
                f"{where}/{name} is not the file that GroupLens published: md5 {found}, expected {MD5[name]}"
            )
    return files["u.data"]


def store(root: StoragePath, data: bytes, source: str) -> None:
    """Store *data* as the platform's base data, so that workers need neither its source nor the internet."""
    digest = hashlib.sha256(data).hexdigest()
    if (read_json(layout.base_record(root)) or {}) != {"sha256": digest, "source": source}:
        parse(data)  # data that cannot be read are never stored
        write_whole(layout.base_file(root, digest), data)
        write_json(layout.base_record(root), {"sha256": digest, "source": source})


def stored_source(root: StoragePath) -> str | None:
    """Return where the stored base data came from; `None`: there are none."""
    return (read_json(layout.base_record(root)) or {}).get("source")


def load(root: StoragePath, sha256: str | None = None) -> Base:
    """
    Read the stored base data.

    Args:
        root: the workflow's folder.
        sha256: which base data; `None`: the current ones.

    Raises:
        BadDataError: no base data are stored.
        DamagedObjectError: the stored file is not what was stored.
    """
    record = read_json(layout.base_record(root))
    if record is None:
        raise BadDataError("there are no base data yet: set MOVIELENS_100K to a folder or zip file with MovieLens 100K")
    wanted = sha256 or record["sha256"]
    data = read_bytes(layout.base_file(root, wanted), sha256=wanted)
    return Base(parse(data), wanted, record["source"] if wanted == record["sha256"] else "earlier base data")


def provide(root: StoragePath, location: str, fetch: Callable[[], tuple[bytes, str]]) -> Base:
    """
    Store base data if necessary, and read them.

    Args:
        root: the workflow's folder.
        location: folder or zip file with MovieLens 100K, which wins over everything else; may be empty.
        fetch: returns (content of u.data, address) from the publisher; called only if nothing is stored.
    """
    if location:
        store(root, read_movielens(Path(location).expanduser()), location)
    elif stored_source(root) is None:
        store(root, *fetch())
    return load(root)


def parse(data: bytes) -> list[Rating]:
    """
    Read lines `user⇥movie⇥rating⇥timestamp`.

    Raises:
        BadDataError: a line does not have that form; the message names it.
    """
    rows = []
    for number, line in enumerate(data.decode("ascii", errors="replace").splitlines(), start=1):
        try:
            user, movie, stars, timestamp = line.split("\t")
            rows.append(Rating(user, movie, float(stars), int(timestamp)))
        except ValueError:
            raise BadDataError(
                f"base data, line {number}: user⇥movie⇥rating⇥timestamp was expected, found {line[:60]!a}"
            ) from None
    if not rows:
        raise BadDataError("base data: at least one rating was expected, found an empty file")
    return rows

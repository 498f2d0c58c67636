"""The base data: MovieLens 100K (or a generated set of its shape), part of every training."""

import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from include.core.errors import BadDataError
from include.core.storage import StoragePath, read_as, read_bytes, read_json, write_json, write_whole
from include.ratings import layout
from include.ratings.data.rows import Rating

# of the files that GroupLens publishes as ml-100k.zip
MD5 = {
    "u.data": "6e47046882bad158b0efbb84cd5cb987",
    "u.item": "c9e7f390115d79079537301d5204f3f7",
    "u.user": "1b53539edc13caad0282c8500608a319",
}
GENERATED = "generated"
MAX_FILE_BYTES = 16 << 20
"""Above the length of each of them, so that no other archive is unpacked whole."""
UNZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # a password is required, or the method of compression is unknown
    ValueError,
)


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
        BadDataError: `u.data` is missing, or a file cannot be read or differs from what GroupLens published.
    """
    try:
        if location.is_dir():
            files = {name: (location / name).read_bytes() for name in MD5 if (location / name).is_file()}
            return checked(files, str(location), [path.name for path in location.iterdir()])
        archive = location.read_bytes() if location.is_file() else None
    except OSError as error:
        raise BadDataError(f"MOVIELENS_100K: {location} cannot be read: {error.strerror}") from error
    if archive is not None:
        return checked(unzipped(archive, str(location)), str(location))
    raise BadDataError(f"MOVIELENS_100K: a folder or zip file was expected, found nothing at {location}")


def unzipped(archive: bytes, where: str) -> dict[str, bytes]:
    """
    Return the MovieLens files of a zip file by name.

    Raises:
        BadDataError: it is no zip file, is damaged or encrypted, has another compression, or has none of the files.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            # some programs of Windows write backslashes, which zipfile leaves as they are elsewhere
            entries = {PureWindowsPath(entry).name: entry for entry in opened.namelist()}
            files = {name: _unzipped(opened, entries[name], where) for name in MD5 if name in entries}
    except BadDataError:
        raise
    except UNZIP_ERRORS as error:
        raise BadDataError(f"{where}: a zip file was expected that can be read: {error}") from error
    if not files:
        raise _missing(where, entries)
    return files


def _unzipped(opened: zipfile.ZipFile, entry: str, where: str) -> bytes:
    with opened.open(entry) as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise BadDataError(
            f"{where}: {entry!a} is longer than {MAX_FILE_BYTES} bytes, which no file of MovieLens 100K is"
        )
    return content


def _missing(where: str, present: Iterable[str]) -> BadDataError:
    other = " (ratings.csv is of another MovieLens data set)" if "ratings.csv" in present else ""
    return BadDataError(f"{where}: MovieLens 100K was expected, but there is no u.data{other}")


def checked(files: dict[str, bytes], where: str, present: Iterable[str] = ()) -> bytes:
    """
    Return `u.data` of *files*, all checksums verified.

    Args:
        files: the MovieLens files by name.
        where: their folder or archive, for messages.
        present: names of all files there.

    Raises:
        BadDataError: `u.data` is missing or a file is wrong, by its name.
    """
    if "u.data" not in files:
        raise _missing(where, present)
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
    return read_as(layout.base_record(root), lambda found: found["source"])


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
    record = read_as(layout.base_record(root), lambda found: {name: found[name] for name in ("sha256", "source")})
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

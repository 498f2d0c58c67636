"""Landing: files of rows wait here, immutable, until a run takes them.

A file whose content or name is bad is refused as a whole; the reason is kept beside the folder and holds until the file
is replaced. One that cannot be read is reported there too, and each run tries it again.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from logging import getLogger
from threading import Lock
from typing import Generic, Literal, TypedDict, TypeVar, cast

from cachetools import LRUCache

from include.core.errors import BadDataError, DamagedObjectError
from include.core.storage import (
    MAX_NAME_BYTES,
    StoragePath,
    StoredObject,
    classify_error,
    is_settled,
    is_text,
    is_unfinished,
    list_objects,
    name_bytes,
    read_bytes,
    read_json,
    remove_object,
    write_json,
    write_whole,
)
from include.core.text import excerpt, printable
from include.core.web import Trouble
from include.ratings import layout
from include.ratings.data import file_names
from include.ratings.data.rows import parse_file
from include.ratings.layout import Repo

log = getLogger(__name__)

T = TypeVar("T")

PREFIXES: dict[Repo, file_names.Prefix] = {"training": "train", "streaming": "predict"}
IGNORED = "ignored: so end the names of files still being written, and of editors' backups; rename it to have it taken"
SETTLE_SECONDS = 2.0
"""How long a file whose last line lacks its newline must stay unchanged before it counts as complete."""


MAX_READERS = 8
"""Number of refusals that are read at once."""
MAX_CACHED_REFUSALS = 100_000


class Refusal(TypedDict):
    """Why a file was refused, or could not be read."""

    file: str
    """Its printable name."""
    fingerprint: str
    """Identifies the refused content; other content is read again. Empty: the file is read again in any case."""
    reason: str
    """Line, what was found, what was expected."""


_cache: LRUCache[tuple[str, str], Refusal | None] = LRUCache(MAX_CACHED_REFUSALS)
"""Path and fingerprint of a record → the refusal."""
_cache_lock = Lock()


def submit(root: StoragePath, repo: Repo, rows: Iterable[str], now: datetime) -> str:
    """
    Write *rows* as one new file of *repo*, durably.

    Args:
        root: the workflow's folder.
        repo: where to.
        rows: normalised lines without newlines.
        now: the instant for the name, aware.

    Returns:
        Name of the file, unique also among simultaneous calls.
    """
    content = "".join(f"{row}\n" for row in rows).encode()
    for name in file_names.candidates(PREFIXES[repo], now):
        try:
            write_whole(layout.landed_file(root, repo, name), content, exclusive=True)
        except FileExistsError:
            continue
        return name
    raise AssertionError("the candidates never end")


@dataclass(frozen=True)
class Opened(Generic[T]):
    """A landed file as a run has found it."""

    outcome: Literal["good", "refused", "unreadable", "unavailable", "gone"]
    """`unreadable` stays so until somebody mends it, `unavailable` need not."""
    rows: list[T] = field(default_factory=list)
    sha256: str = ""
    """Checksum of the content, if it is good."""


def landed(root: StoragePath, repo: Repo) -> dict[str, StoredObject]:
    """Return the files of *repo* that are neither ignored nor refused, in the order of their names."""
    refused = _by_record(root, repo)
    return {
        name: stored
        for name, stored in list_objects(layout.landed_files(root, repo)).items()
        if not is_unfinished(name)
        and stored.fingerprint != refused.get(layout.record_name(name), {}).get("fingerprint")
    }


def ignored(root: StoragePath, repo: Repo) -> list[str]:
    """Return the printable names of the files of *repo* that are ignored, as those of half a download."""
    return [printable(name) for name in list_objects(layout.landed_files(root, repo)) if is_unfinished(name)]


def check_name(name: str) -> None:
    """Raise `BadDataError` unless tables, records and stores can hold the *name* of a landed file."""
    if not is_text(name):
        raise BadDataError("file name: UTF-8 text was expected, found other bytes; give the file another name")
    if (length := len(name_bytes(name))) > MAX_NAME_BYTES:
        raise BadDataError(f"file name: at most {MAX_NAME_BYTES} bytes of UTF-8 were expected, found {length}")


def open_file(root: StoragePath, repo: Repo, stored: StoredObject, parse: Callable[[str], T]) -> Opened[T]:
    """
    Read a landed file; whatever is wrong with it is recorded, and is no error.

    Args:
        root: the workflow's folder.
        repo: where it landed.
        stored: the file, from `landed`.
        parse: reads one row.
    """
    path = layout.landed_file(root, repo, stored.name)
    try:
        check_name(stored.name)
        data = read_bytes(path)
        rows = parse_file(data, parse)
    except FileNotFoundError:
        return Opened("gone")
    except BadDataError as error:
        refuse(root, repo, stored, str(error))
        return Opened("refused")
    except OSError as error:
        _report_unreadable(root, repo, stored, error)
        return Opened("unavailable" if classify_error(path, error) is Trouble.TRANSIENT else "unreadable")
    accept(root, repo, stored.name)
    return Opened("good", rows, hashlib.sha256(data).hexdigest())


def complete(root: StoragePath, repo: Repo, stored: Iterable[StoredObject], now: float) -> list[StoredObject]:
    """Return those of *stored* that are no longer being written at *now* (seconds since 1970)."""
    return [each for each in stored if is_settled(layout.landed_file(root, repo, each.name), each, now, SETTLE_SECONDS)]


def refuse(root: StoragePath, repo: Repo, stored: StoredObject, reason: str) -> None:
    """Record why a file is refused; it is not read again until it is replaced."""
    log.warning("%s is refused: %s", excerpt(stored.name), reason)
    _record(root, repo, stored.name, stored.fingerprint, reason)


def _report_unreadable(root: StoragePath, repo: Repo, stored: StoredObject, error: OSError) -> None:
    reason = f"the file cannot be read: {error.strerror or type(error).__name__}; every run tries again"
    log.warning("%s: %s", excerpt(stored.name), reason)
    _record(root, repo, stored.name, "", reason)


def _record(root: StoragePath, repo: Repo, name: str, fingerprint: str, reason: str) -> None:
    record = Refusal(file=printable(name), fingerprint=fingerprint, reason=reason)
    write_json(layout.refusal_file(root, repo, name), record)


def accept(root: StoragePath, repo: Repo, name: str) -> None:
    """Delete an earlier refusal of the file *name*, which is good now."""
    remove_object(layout.refusal_file(root, repo, name))


def refusal(root: StoragePath, repo: Repo, name: str) -> Refusal | None:
    """Return why the file *name* was refused, if it was."""
    return _read_record(layout.refusal_file(root, repo, name))


def refusals(root: StoragePath, repo: Repo) -> Mapping[str, Refusal]:
    """Return all refusals of *repo* by printable file name."""
    return {record["file"]: record for record in _by_record(root, repo).values()}


def _by_record(root: StoragePath, repo: Repo) -> dict[str, Refusal]:
    """Return all refusals of *repo* by the name of their record; a process reads each only once."""
    folder = layout.refusals(root, repo)
    keys = {name: (str(folder / name), each.fingerprint) for name, each in list_objects(folder).items()}
    with _cache_lock:
        records = {name: _cache[key] for name, key in keys.items() if key in _cache}
    if unread := [name for name in keys if name not in records]:
        with ThreadPoolExecutor(MAX_READERS) as readers:
            found = dict(zip(unread, readers.map(lambda name: _read_record(folder / name), unread), strict=True))
        records |= found
        with _cache_lock:
            _cache.update({keys[name]: record for name, record in found.items()})
    return {name: record for name in keys if (record := records[name])}


def _read_record(path: StoragePath) -> Refusal | None:
    """Read a refusal; a damaged one counts as none, and so the file is read again."""
    try:
        found = read_json(path)
    except DamagedObjectError as error:
        log.warning("A refusal is passed over: %s", error)
        return None
    if not isinstance(found, dict) or not found.keys() >= Refusal.__annotations__.keys():
        return None
    return cast("Refusal", found)

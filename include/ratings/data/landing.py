"""Landing: files of rows wait here, immutable, until a run takes them.

A file whose content is bad is refused as a whole; the reason is kept beside the folder and holds until the file is
replaced.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypedDict

from include.core.storage import (
    StoragePath,
    StoredObject,
    is_settled,
    list_objects,
    read_json,
    write_json,
    write_whole,
)
from include.ratings import layout
from include.ratings.data import file_names
from include.ratings.layout import Repo

PREFIXES: dict[Repo, file_names.Prefix] = {"training": "train", "streaming": "predict"}
SETTLE_SECONDS = 2.0
"""How long a file whose last line lacks its newline must stay unchanged before it counts as complete."""


class Refusal(TypedDict):
    """Why a file was refused."""

    file: str
    fingerprint: str
    """Identifies the refused content; other content is read again."""
    reason: str
    """Line, what was found, what was expected."""


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


def landed(root: StoragePath, repo: Repo) -> dict[str, StoredObject]:
    """Return the files of *repo* that are not refused, in the order of their names."""
    refused = refusals(root, repo)
    return {
        name: stored
        for name, stored in list_objects(layout.landed_files(root, repo)).items()
        if stored.fingerprint != refused.get(name, {}).get("fingerprint")
    }


def complete(root: StoragePath, repo: Repo, stored: Iterable[StoredObject], now: float) -> list[StoredObject]:
    """Return those of *stored* that are no longer being written at *now* (seconds since 1970)."""
    return [each for each in stored if is_settled(layout.landed_file(root, repo, each.name), each, now, SETTLE_SECONDS)]


def refuse(root: StoragePath, repo: Repo, stored: StoredObject, reason: str) -> None:
    """Record why a file is refused; it is not read again until it is replaced."""
    record = Refusal(file=stored.name, fingerprint=stored.fingerprint, reason=reason)
    write_json(layout.refusal_file(root, repo, stored.name), record)


def accept(root: StoragePath, repo: Repo, name: str) -> None:
    """Delete an earlier refusal of the file *name*, which has been replaced by a good one."""
    layout.refusal_file(root, repo, name).unlink(missing_ok=True)


def refusal(root: StoragePath, repo: Repo, name: str) -> Refusal | None:
    """Return why the file *name* was refused, if it was."""
    return read_json(layout.refusal_file(root, repo, name))


def refusals(root: StoragePath, repo: Repo) -> Mapping[str, Refusal]:
    """Return all refusals of *repo* by file name."""
    found = {}
    folder = layout.refusals(root, repo)
    for name in list_objects(folder):
        if record := read_json(folder / name):
            found[record["file"]] = record
    return found

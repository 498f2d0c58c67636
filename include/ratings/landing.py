"""Landing: files of rows wait here, immutable, until a run takes them.

`training` and `streaming` are folders of landed files. A file whose content is bad is refused as a whole; the reason
is kept beside the folder and holds until the file is replaced.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, TypedDict

from include.core.storage import (
    StoragePath,
    StoredObject,
    is_settled,
    list_objects,
    read_json,
    write_json,
    write_whole,
)
from include.ratings import names

Repo = Literal["training", "streaming"]

PREFIX: dict[Repo, names.Prefix] = {"training": "train", "streaming": "predict"}
REFUSED: dict[Repo, str] = {"training": "refused", "streaming": "refused_streaming"}
SETTLE_SECONDS = 2.0
"""How long a file without a last newline has to stay unchanged before it counts as complete."""


class Refusal(TypedDict):
    """Why a file was refused."""

    file: str
    fingerprint: str
    """Which content was looked at; another one is looked at anew."""
    reason: str
    """Line, what was found, what was expected."""


def submit(root: StoragePath, repo: Repo, rows: Iterable[str], now: datetime) -> str:
    """
    Put *rows* as one new file into *repo*, durably.

    Args:
        root: the workflow's folder.
        repo: where to.
        rows: normalised lines without newlines.
        now: the instant for the name, aware.

    Returns:
        The name of the file; unique also among simultaneous calls.
    """
    content = "".join(f"{row}\n" for row in rows).encode()
    for name in names.candidates(PREFIX[repo], now):
        try:
            write_whole(root / repo / name, content, exclusive=True)
        except FileExistsError:
            continue
        return name
    raise AssertionError("the candidates never end")


def landed(root: StoragePath, repo: Repo) -> dict[str, StoredObject]:
    """
    List the files of *repo* that are not refused, in the order of names.

    Args:
        root: the workflow's folder.
        repo: which files.
    """
    refused = refusals(root, repo)
    return {
        name: stored
        for name, stored in list_objects(root / repo).items()
        if stored.fingerprint != refused.get(name, {}).get("fingerprint")
    }


def complete(root: StoragePath, repo: Repo, stored: Iterable[StoredObject], now: float) -> list[StoredObject]:
    """Keep those of *stored* that nobody is still writing at *now* (seconds since 1970)."""
    return [each for each in stored if is_settled(root / repo / each.name, each, now, SETTLE_SECONDS)]


def refuse(root: StoragePath, repo: Repo, stored: StoredObject, reason: str) -> None:
    """Keep the *reason* why a file is refused; a file that has it is not looked at again until it is replaced."""
    record = Refusal(file=stored.name, fingerprint=stored.fingerprint, reason=reason)
    write_json(root / REFUSED[repo] / f"{stored.name}.json", record)


def accept(root: StoragePath, repo: Repo, name: str) -> None:
    """Forget an earlier refusal of the file *name*, which has been replaced by a good one."""
    (root / REFUSED[repo] / f"{name}.json").unlink(missing_ok=True)


def refusal(root: StoragePath, repo: Repo, name: str) -> Refusal | None:
    """Give the reason why the file *name* was refused, if it was."""
    return read_json(root / REFUSED[repo] / f"{name}.json")


def refusals(root: StoragePath, repo: Repo) -> Mapping[str, Refusal]:
    """Give all refusals of *repo* by file name."""
    found = {}
    for name in list_objects(root / REFUSED[repo]):
        if record := read_json(root / REFUSED[repo] / name):
            found[record["file"]] = record
    return found

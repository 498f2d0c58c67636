"""Landed files that have changed since they were taken.

A name is taken once: the new content is refused, and not passed over in silence.
"""

import hashlib
from collections.abc import Callable, Iterable

from include.core.errors import DamagedObjectError
from include.core.storage import StoragePath, StoredObject, read_bytes, read_json, write_json
from include.ratings import layout
from include.ratings.data import landing
from include.ratings.layout import Repo

REASON = (
    "this name was taken before with other content, which stays in use; what was appended or replaced since is not "
    "read: put it into a file with another name"
)


def refuse_changed(
    root: StoragePath,
    repo: Repo,
    taken: Iterable[StoredObject],
    was_taken: Callable[[str, str], bool | None],
    now: float,
) -> list[str]:
    """
    Refuse the new content of files that were taken before.

    Only files that changed since the last check are read.

    Args:
        root: the workflow's folder.
        repo: where they landed.
        taken: files from `landing.landed` that were taken before.
        was_taken: returns whether a file (name) was taken with a content (sha256); `None`: it is not known.
        now: seconds since 1970; a file that is still being written then is left for later.

    Returns:
        Names of the refused files.
    """
    since = _last_change(root, repo)
    candidates = [each for each in taken if each.changed >= since]
    complete = landing.complete(root, repo, candidates, now)
    refused = []
    for stored in complete:
        try:
            sha256 = hashlib.sha256(read_bytes(layout.landed_file(root, repo, stored.name))).hexdigest()
        except OSError:  # it was read when it was taken
            continue
        same = was_taken(stored.name, sha256)
        if same is False:
            landing.refuse(root, repo, stored, REASON)
            refused.append(stored.name)
        elif same:
            landing.accept(root, repo, stored.name)
    if len(complete) == len(candidates):
        newest = min(now, max((each.changed for each in candidates), default=since))
        if newest > since:
            write_json(layout.last_change_file(root, repo), {"changed": newest})
    return refused


def _last_change(root: StoragePath, repo: Repo) -> float:
    """Return when the newest of the files that the last check has seen had changed; 0: all are to be checked."""
    try:
        return float((read_json(layout.last_change_file(root, repo)) or {})["changed"])
    except (DamagedObjectError, KeyError, TypeError, ValueError):
        return 0.0

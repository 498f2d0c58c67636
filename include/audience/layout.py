"""
Paths of the audience workflow below its folder in storage.

    tasks/<task id>/plan.json           what the task works on; see `plan.py`
    tasks/<task id>/rules.csv           its rules, pinned
    tasks/<task id>/source_map.json     its source map, pinned
    tasks/<task id>/authors/<n>.npz     hashes of the authors in batch n
    previews/<preview id>.json          report of a preview of rules
    previews/<preview id>.csv           its new rules
"""

import re

from include.core.storage import StoragePath

PINNED = ("plan.json", "rules.csv", "source_map.json")
"""Files that pin a task. The plan comes first: without it nothing reads the others."""
_TASK_FILE = re.compile(r"([0-9a-f]{32})/(.+)")
_AUTHORS_FILE = re.compile(r"authors/[0-9]+\.npz")


def tasks(root: StoragePath) -> StoragePath:
    """Return the folder that holds a folder for each task."""
    return root / "tasks"


def task_folder(root: StoragePath, task_id: str) -> StoragePath:
    """Return the folder of a task."""
    return tasks(root) / task_id


def previews(root: StoragePath) -> StoragePath:
    """Return the folder of the reports of previews."""
    return root / "previews"


def preview_file(root: StoragePath, preview_id: str) -> StoragePath:
    """Return the report of a preview."""
    return previews(root) / f"{preview_id}.json"


def preview_rules_file(root: StoragePath, preview_id: str) -> StoragePath:
    """Return the new rules of a preview that runs in the background."""
    return previews(root) / f"{preview_id}.csv"


def plan_file(folder: StoragePath) -> StoragePath:
    """Return the plan in the folder of a task."""
    return folder / PINNED[0]


def rules_file(folder: StoragePath) -> StoragePath:
    """Return the pinned rules in the folder of a task."""
    return folder / PINNED[1]


def source_map_file(folder: StoragePath) -> StoragePath:
    """Return the pinned source map in the folder of a task."""
    return folder / PINNED[2]


def authors_file(folder: StoragePath, batch: int) -> StoragePath:
    """Return the author hashes of a batch in the folder of a task."""
    return folder / "authors" / f"{batch}.npz"


def split_task_file(name: str) -> tuple[str, str] | None:
    """Split a name below `tasks/` into task id and name below the task's folder; `None` if it has another form."""
    match = _TASK_FILE.fullmatch(name)
    return (match[1], match[2]) if match else None


def is_authors_file(name: str) -> bool:
    """Check whether a name below a task's folder is that of author hashes."""
    return bool(_AUTHORS_FILE.fullmatch(name))

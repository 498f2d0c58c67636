"""What a run is: its instant, its site, its parameters, its folder. Pinned by its first task, the same for all."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from include.articles import parameters
from include.articles.settings import ArticleSettings
from include.core.errors import BadDataError
from include.core.storage import StoragePath, read_json, walk_objects, write_json

POPULARITY, ARTICLE = "popularity", "article"
"""The types of models: defaults of the site, related articles of an article."""
PLAN, REPORT = "plan.json", "run.json"


class NoPlanError(BadDataError):
    """The run's first task has not run, or its folder was removed."""


@dataclass(frozen=True)
class Plan:
    """What a run works on."""

    site: str
    run_id: str
    run_at: datetime
    train: bool
    settings: ArticleSettings

    @property
    def folder_name(self) -> str:
        """Name of the run's folder: by name the folders are in the order of `run_at`."""
        return folder_name(self.run_at, self.run_id)

    def as_json(self) -> dict[str, Any]:
        """Give the plan as it is pinned."""
        return {
            "site": self.site,
            "run_id": self.run_id,
            "run_at": self.run_at.isoformat(),
            "train": self.train,
            "parameters": parameters.pinned(self.settings),
        }


def instant(text: str) -> datetime:
    """
    Read an instant in ISO 8601.

    Raises:
        BadDataError: it is none, or has no offset.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadDataError(
            f"run_at: an instant such as 2026-03-10T12:00:00+00:00 was expected, found {text!r}"
        ) from None
    if found.tzinfo is None:
        raise BadDataError(f"run_at: an instant with its offset was expected, such as {text}+00:00")
    return found.astimezone(UTC)


def folder_name(run_at: datetime, run_id: str) -> str:
    """Name the folder of a run."""
    return f"{run_at:%Y%m%dT%H%M%SZ}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def remove_old(folder: StoragePath, keep: int, before: float) -> int:
    """
    Remove the folders of old runs.

    Args:
        folder: where the folders of a site's runs are.
        keep: so many folders that changed last stay.
        before: those in which something has changed since stay, too; in seconds since 1970.

    Returns:
        How many were removed.
    """
    changed: dict[str, float] = {}
    found = walk_objects(folder)
    for name, stored in found.items():
        run, _, _ = name.partition("/")
        changed[run] = max(changed.get(run, 0), stored.changed)
    newest = sorted(changed, key=lambda run: changed[run], reverse=True)[:keep]
    old = {run for run in changed if run not in newest and changed[run] < before}
    for name in found:
        if name.partition("/")[0] in old:
            (folder / name).unlink(missing_ok=True)
    return len(old)


def pin(folder: StoragePath, plan: Plan) -> None:
    """Write the plan."""
    write_json(folder / PLAN, plan.as_json())


def load(folder: StoragePath) -> Plan:
    """
    Read the plan of a run.

    Raises:
        NoPlanError: there is none.
    """
    found = read_json(folder / PLAN)
    if found is None:
        raise NoPlanError(f"{folder / PLAN} is not there: clear the run from its first task, create_model")
    settings = parameters.restored(found["parameters"])
    return Plan(found["site"], found["run_id"], instant(found["run_at"]), found["train"], settings)

"""The plan of a run: its site, instant and parameters, pinned by its first task for all others."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from include.articles import parameters
from include.articles.layout import RunFiles
from include.articles.settings import CLOCK_SKEW, ArticleSettings
from include.articles.sites.configuration import Site
from include.core.errors import BadDataError, DamagedObjectError
from include.core.storage import read_json, write_json

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class NoPlanError(BadDataError):
    """The run's first task has not run, or its folder was removed."""


@dataclass(frozen=True)
class Plan:
    """Pinned input of a run."""

    site: str
    run_id: str
    run_at: datetime
    train: bool
    """Whether the run makes models; otherwise it only fills extracts and articles."""
    settings: ArticleSettings

    def as_json(self) -> dict[str, Any]:
        """Return the plan in the form in which it is pinned."""
        return {
            "site": self.site,
            "run_id": self.run_id,
            "run_at": self.run_at.isoformat(),
            "train": self.train,
            "parameters": parameters.pinned(self.settings),
        }


def parse_run_at(text: str) -> datetime:
    """
    Return the instant of a run, in UTC.

    Raises:
        BadDataError: *text* is not ISO 8601, or has no offset.
    """
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise BadDataError(
            f"run_at: an instant such as 2026-03-10T12:00:00+00:00 was expected, found {text!r}"
        ) from None
    if found.tzinfo is None:
        raise BadDataError(f"run_at: an instant with its offset was expected, such as {text}+00:00")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise BadDataError(f"run_at: an instant from {EARLIEST:%Y} on was expected, found {text}") from None


def check_run_at(run_at: datetime, now: datetime) -> None:
    """
    Check that the instant of a run lies between 1970 and the present.

    Raises:
        BadDataError: it does not; the model of a future instant would replace those of all runs until then.
    """
    if not EARLIEST <= run_at <= now + CLOCK_SKEW:
        span = f"from {EARLIEST:%Y} to now ({now.isoformat(timespec='seconds')})"
        raise BadDataError(f"run_at: an instant {span} was expected, found {run_at.isoformat()}")


def pin(files: RunFiles, plan: Plan, site: Site | None = None) -> None:
    """Write the plan of a run, and its site as it is configured now."""
    configured = site.model_dump(mode="json") if site else None
    write_json(files.plan, {**plan.as_json(), "configuration": configured})


def load_site(files: RunFiles) -> Site | None:
    """Return the site that is pinned with the plan of a run; `None` if there is no plan, or one of an older version."""
    found = read_json(files.plan)
    configured = found.get("configuration") if isinstance(found, dict) else None
    try:
        return Site(**configured) if configured else None
    except (TypeError, ValidationError):  # of another version, with other keys
        return None


def load(files: RunFiles) -> Plan:
    """
    Read the plan of a run.

    Raises:
        NoPlanError: there is none.
        DamagedObjectError: it is not what was written.
    """
    found = read_json(files.plan)
    if found is None:
        raise NoPlanError(f"{files.plan} does not exist: clear the run from its first task, create_model")
    try:
        settings = parameters.restored(found["parameters"])
        return Plan(found["site"], found["run_id"], parse_run_at(found["run_at"]), found["train"], settings)
    except (LookupError, TypeError, AttributeError) as error:
        raise DamagedObjectError(f"{files.plan} is not a plan: {error!r}") from error

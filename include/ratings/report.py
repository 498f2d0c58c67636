"""Report of a run: the record that the API shows, the note of the DAG run, and metrics."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from include.core.storage import StoragePath, Store, read_as, read_json, write_json
from include.ratings import layout
from include.ratings.data import landing
from include.ratings.layout import Job
from include.ratings.models import cards
from include.ratings.models.champion import read_champion
from include.ratings.predictions.predict import pending


@dataclass(frozen=True)
class Report:
    """Result of one DAG run."""

    pipeline: Job
    dag_run_id: str
    input: list[str]
    """Files, or what was asked for."""
    output: list[int]
    """Model versions made or used."""
    made: Literal["computed", "reused", "nothing"]
    reason: str
    """Short summary for people."""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """One line for the note of the DAG run."""
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in self.counts.items() if count)
        return f"{self.reason}: {counts}" if counts else self.reason


def write(root: StoragePath, report: Report) -> None:
    """Write the report of a run; a later one of the same run replaces it."""
    write_json(layout.report_file(root, report.pipeline, report.dag_run_id), asdict(report))


def read(root: StoragePath, job: Job, dag_run_id: str) -> Mapping[str, Any] | None:
    """Read the report of a run; `None`: it has none (yet)."""
    return read_json(layout.report_file(root, job, dag_run_id))


def finished(root: StoragePath, job: Job, dag_run_id: str) -> Report | None:
    """Return the report of a run that has done something; clearing the run later does not change it."""
    found = read_as(layout.report_file(root, job, dag_run_id), lambda found: Report(**found))
    return found if found and found.made != "nothing" else None


def queue_metrics(root: StoragePath, now: float) -> dict[str, float]:
    """
    Measure how many files wait for their first prediction, and for how long the oldest of them.

    Args:
        root: the workflow's folder.
        now: seconds since 1970.
    """
    if champion := read_champion(root):
        waiting = pending(root, champion, now).first
    else:
        waiting = landing.complete(root, "streaming", landing.landed(root, "streaming").values(), now)
    age = max((now - stored.changed for stored in waiting), default=0.0)
    return {"queue_files": len(waiting), "queue_age_seconds": max(age, 0.0)}


def state_metrics(store: Store, now: float) -> dict[str, float | None]:
    """
    Measure the state of the workflow; a value is `None` as long as no file has landed or no model was trained.

    Args:
        store: the workflow's folder.
        now: seconds since 1970.
    """
    from include.ratings.data.ledger import Ledger  # here, so that predicting does not load Delta

    newest = max((stored.changed for stored in landing.landed(store.path, "training").values()), default=None)
    champion = read_champion(store.path)
    card = cards.read_card(store.path, champion.version) if champion else None
    ledger = Ledger.existing(layout.training_table(store))
    return {
        **queue_metrics(store.path, now),
        "data_lag_hours": None if newest is None else (now - newest) / 3600,
        "table_rows": ledger.size() if ledger else None,
        "champion_holdout_rmse": card.metrics.get("holdout_rmse") if card else None,
    }

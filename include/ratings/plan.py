"""Plan of a run of `ratings_train`."""

from dataclasses import dataclass, field
from typing import Any

from include.core.errors import DamagedObjectError
from include.core.storage import Store, read_as
from include.ratings import layout
from include.ratings.data.base import Base
from include.ratings.data.damage import RESTORE
from include.ratings.data.ingest import ingest
from include.ratings.data.ledger import Ledger
from include.ratings.errors import UnknownVersionError
from include.ratings.models import cards
from include.ratings.models.champion import read_champion
from include.ratings.request import Run, RunRequest
from include.ratings.settings import RatingsSettings


@dataclass(frozen=True)
class Plan:
    """Pinned work of a run of `ratings_train`; all values are JSON."""

    run: str
    by: str
    reason: str
    """Why there is, or is not, something to do."""
    model: int | None = None
    """Model version to go back to; nothing is trained then."""
    ledger_versions: list[int] = field(default_factory=list)
    """Versions of the training table to train on, in this order."""
    asked: bool = False
    """Somebody asked for it: the promotion guard is off, and the champion may move without new data."""
    base_sha256: str = ""
    algorithm: str = "SVD"
    options: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    """Landed files that were ingested."""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.model is None and not self.ledger_versions


def make_plan(run: Run, store: Store, base_data: Base, settings: RatingsSettings, now: float) -> Plan:
    """
    Ingest what has landed, or restore what was asked for, and fix what the run trains on.

    Args:
        run: the DAG run, with the params of `RunRequest`.
        store: the workflow's folder.
        base_data: the base ratings.
        settings: settings of the workflow.
        now: seconds since 1970.

    Raises:
        UnknownVersionError: the model or table version asked for does not exist.
        DamagedObjectError: the training table is not what was written.
    """
    asked = RunRequest.from_params(run.params)
    if asked.model is not None:
        if cards.read_card(store.path, asked.model) is None:
            raise UnknownVersionError(f"model version {asked.model} does not exist")
        return Plan(run.id, run.by, f"back to model {asked.model}", model=asked.model, asked=True)
    algorithm = read_as(layout.algorithm_file(store.path), _algorithm) or {}
    ledger = Ledger(layout.training_table(store))
    _check_head(store, ledger)
    files: list[str] = []
    counts: dict[str, int] = {}
    if asked.training is not None:
        version = ledger.restored_by(run.id) or ledger.restore(asked.training, run.id, run.by)
        versions, reason = [version], f"back to training version {asked.training} as version {version}"
    else:
        found = ingest(store, base_data.rows, run.id, now, coalesce=settings.coalesce)
        files, counts = found.files, found.counts()
        versions, reason = _versions_to_train(store, ledger, coalesce=settings.coalesce, reprocess=asked.reprocess)
    if versions and algorithm and algorithm["algorithm"] != settings.algorithm:
        reason += (
            f" ({algorithm['algorithm']} was chosen by the model selection {algorithm['dag_run_id']} and wins over "
            f"RATINGS_ALGORITHM={settings.algorithm}; remove ratings/algorithm.json to go back to that)"
        )
    return Plan(
        run=run.id,
        by=run.by,
        reason=reason,
        ledger_versions=versions,
        asked=asked.reprocess or asked.training is not None,
        base_sha256=base_data.sha256,
        algorithm=algorithm.get("algorithm", settings.algorithm),
        options=algorithm.get("options", settings.algorithm_options),
        files=files,
        counts=counts,
    )


def _algorithm(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("algorithm", "options", "dag_run_id")}


def _check_head(store: Store, ledger: Ledger) -> None:
    """Raise `DamagedObjectError` if the training table has lost versions that were trained on."""
    champion, newest = read_champion(store.path), ledger.newest()
    if champion and champion.decided > newest:
        raise DamagedObjectError(
            f"{ledger.store.url} ends with version {newest}, but version {champion.decided} has been trained on: the "
            f"end of its _delta_log is missing; {RESTORE}"
        )


def _versions_to_train(store: Store, ledger: Ledger, *, coalesce: bool, reprocess: bool) -> tuple[list[int], str]:
    if reprocess:
        return [ledger.head()], "asked to reprocess"
    champion = read_champion(store.path)
    if versions := ledger.data_versions(after=champion.decided if champion else 0):
        return versions[-1:] if coalesce else versions, "new training data"
    if champion is None:
        return [ledger.head()], "first model"
    return [], f"nothing to do: training version {champion.decided} is the newest"

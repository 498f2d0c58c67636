"""Service behind the routes of the ratings API; independent of HTTP."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from cachetools import TTLCache

from include.core.errors import BadDataError
from include.core.storage import StoragePath
from include.ratings import layout, provenance, report
from include.ratings.data import file_names, landing, rows
from include.ratings.data.difference import difference
from include.ratings.data.ledger import Ledger
from include.ratings.errors import UnknownPredictionError, UnknownVersionError
from include.ratings.layout import Job, Repo
from include.ratings.models import cards, champion
from include.ratings.models.champion import read_champion
from include.ratings.predictions import files
from include.ratings.settings import RatingsSettings
from quartet.api.common.bounds import bound_lists, part
from quartet.api.ratings.schemas import Result
from quartet.hooks.storage import StorageHook

_unpredicted: TTLCache[tuple[str, str, int], bool] = TTLCache(maxsize=10_000, ttl=30)
"""Folder, file and champion, where no former champion has predicted the file: whoever waits asks often."""
_unpredicted_lock = Lock()


TRACED = (("training", "files"), ("dag_runs", "ingest"), ("unknown", "users"), ("unknown", "movies"))
"""Lists of a traced prediction that grow with the data."""


class InvalidRequestError(BadDataError):
    """The request is not valid; nothing was written."""


class RatingsService:
    """
    Submits rows, reads predictions, history and provenance.

    Args:
        settings: of the workflow.
    """

    def __init__(self, settings: RatingsSettings) -> None:
        self.settings = settings
        self.storage = StorageHook()

    @property
    def root(self) -> StoragePath:
        """The workflow's folder."""
        return self.storage.path("ratings")

    def submit_ratings(self, data: list[str]) -> str:
        """Write ratings to train on as one file; return its name. Raises like `submit_pairs`."""
        return self._submit("training", data, rows.parse_rating)

    def submit_pairs(self, data: list[str]) -> str:
        """
        Write pairs to predict as one file.

        Returns:
            Name of the file.

        Raises:
            BadRowsError: rows are bad; nothing was written.
            InvalidRequestError: there are too many rows; nothing was written.
        """
        return self._submit("streaming", data, rows.parse_pair)

    def _submit(self, repo: Repo, data: list[str], parse: Callable[[str], Any]) -> str:
        if len(data) > self.settings.max_rows:
            raise InvalidRequestError(
                f"data: at most {self.settings.max_rows} rows were expected, found {len(data)}; nothing was written"
            )
        rows.parse_all(data, parse)
        return landing.submit(self.root, repo, map(rows.normalised, data), datetime.now(UTC))

    def result(self, filename: str, model: int | None = None) -> Result:
        """
        Return the newest predictions for a file of pairs, or those of a model version.

        Raises:
            InvalidRequestError: the name does not have the form of the names that `/predict` issues.
            UnknownVersionError: the model version does not exist.
        """
        name = _checked(filename)
        if model is not None:
            self.check_model(model)
        versions = self._versions(name, model)
        if found := files.newest(self.root, name, versions):
            return Result(ready=True, data=found[1])
        if len(versions) > 1:
            with _unpredicted_lock:
                _unpredicted[str(self.root), name, versions[0]] = True
        if refused := landing.refusal(self.root, "streaming", name):
            return Result(ready=False, error=refused["reason"])
        return Result(ready=False, error=files.failure(self.root, versions[0]) if versions else None)

    def predicted_with(self, filename: str) -> int | None:
        """Return the model whose predictions for a file are the newest; `None`: there are none."""
        found = files.newest(self.root, filename, self._versions(filename, None))
        return found[0] if found else None

    def why(self, filename: str, line: int | None, model: int | None) -> dict[str, Any]:
        """
        Trace a prediction back to everything that made it.

        Raises:
            InvalidRequestError: the name does not have the form of the names that `/predict` issues.
            UnknownPredictionError: there is no prediction yet, or no such line.
        """
        found = files.newest(self.root, _checked(filename), self._versions(filename, model))
        ledger = self._existing_ledger()
        if found is None or ledger is None:
            raise UnknownPredictionError(f"there is no prediction for {filename} yet")
        return bound_lists(provenance.why(self.root, ledger, filename, found[0], line), TRACED)

    def _versions(self, name: str, model: int | None) -> list[int]:
        """Return the model versions that may have predicted the file *name*, the preferred one first."""
        if model is not None:
            return [model]
        current = read_champion(self.root)
        if current is None:
            return []
        with _unpredicted_lock:
            is_known = (str(self.root), name, current.version) in _unpredicted
        if is_known or file_names.was_issued_after(name, current.since):
            return [current.version]
        return [current.version, *current.previous]

    def commits(self, limit: int) -> list[dict[str, Any]]:
        """Return the versions of the training data, newest first."""
        ledger = self._existing_ledger()
        return [
            asdict(entry) | {"time": datetime.fromtimestamp(entry.time, UTC).isoformat()}
            for entry in (ledger.history(limit) if ledger else [])
        ]

    def difference(self, older: int, newer: int) -> dict[str, Any]:
        """Compare two versions of the training data; raises `UnknownVersionError`."""
        return asdict(difference(self._ledger(), older, newer))

    def models_trained_on(self, version: int) -> list[int]:
        """Return the models trained on a version of the training data; raises `UnknownVersionError`."""
        self.check_training(version)
        return provenance.models_trained_on(self.root, version)

    def models(self, limit: int) -> dict[str, Any]:
        """Return the champion, the models and the champion's moves, newest first."""
        current = read_champion(self.root)
        found = (cards.read_card(self.root, version) for version in cards.versions(self.root)[:limit])
        return {
            "champion": current.version if current else None,
            "models": [asdict(card) for card in found if card],
            "promotions": champion.promotions(self.root, limit),
        }

    def predicted_by(self, version: int) -> list[str]:
        """Return the files that a model version has predicted; raises `UnknownVersionError`."""
        self.check_model(version)
        return files.predicted_by(self.root, version)

    def check_model(self, version: int) -> None:
        """Raise `UnknownVersionError` unless the model version exists."""
        if cards.read_card(self.root, version) is None:
            raise UnknownVersionError(f"model version {version} does not exist")

    def check_training(self, version: int) -> None:
        """Raise `UnknownVersionError` unless the version of the training data exists."""
        self._ledger().check_version(version)

    def jobs(self, runs: Iterable[tuple[Job, Mapping[str, Any]]], offset: int = 0) -> dict[str, Any]:
        """
        Return what each of these DAG runs, as Airflow describes them, has done, and files refused and ignored.

        Of the files, the first *offset* are passed over, and at most 1,000 are listed.
        """
        refused = [
            {"pipeline": job, "file": refusal["file"], "reason": refusal["reason"]}
            for job, repo in layout.REPOS.items()
            for refusal in landing.refusals(self.root, repo).values()
        ]
        ignored = [
            {"pipeline": job, "file": name, "reason": landing.IGNORED}
            for job, repo in layout.REPOS.items()
            for name in landing.ignored(self.root, repo)
        ]
        listed, more = part(refused + ignored, offset=offset)
        found = {
            "jobs": [_job(job, run, report.read(self.root, job, run["dag_run_id"]) or {}) for job, run in runs],
            "refused": listed,
        }
        return found | ({"more": more} if more else {})

    def _existing_ledger(self) -> Ledger | None:
        return Ledger.existing(layout.training_table(self.storage.store("ratings")))

    def _ledger(self) -> Ledger:
        if found := self._existing_ledger():
            return found
        raise UnknownVersionError("there are no training data yet")


def _checked(filename: str) -> str:
    if not file_names.is_issued(filename, "predict"):
        raise InvalidRequestError(
            "filename: a name issued by /predict was expected, predict-YYYY-MM-DDThh:mm:ss.ffffff.txt"
        )
    return filename


def _job(job: Job, run: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "pipeline": job,
        "dag_run_id": run["dag_run_id"],
        "state": run["state"],
        "start": run["start_date"],
        "duration": run["duration"],
        "input": found.get("input", []),
        "output": found.get("output", []),
        "made": found.get("made"),
        "reason": found.get("reason"),
        "counts": found.get("counts", {}),
    }

"""The ratings workflow in a folder: its steps, and a registry in memory."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.core.errors import NothingToDoError
from include.core.registry import ModelVersion, NewModel
from include.core.storage import Store
from include.ratings import report
from include.ratings.data import base
from include.ratings.layout import Job
from include.ratings.pipeline import Dependencies, Pipeline
from include.ratings.plan import Plan, make_plan
from include.ratings.report import Report
from include.ratings.request import Run
from include.ratings.settings import RatingsSettings

NOW = 1_800_000_000.0
AT = "2027-01-15T08:00:00+00:00"


@dataclass
class RegistryInMemory:
    """A registry of models; files go below *root*."""

    root: Path
    versions: list[ModelVersion] = field(default_factory=list)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    champion: int | None = None

    def find(self, name: str, recipe: str) -> ModelVersion | None:
        """Return the newest version trained by *recipe*."""
        return next((each for each in reversed(self.versions) if each.tags["recipe"] == recipe), None)

    def register(self, name: str, new: NewModel) -> ModelVersion:
        """Add a version."""
        version = max((each.version for each in self.versions), default=0) + 1
        path = f"models/{version}.pickle"
        (self.root / "models").mkdir(exist_ok=True)
        (self.root / path).write_bytes(new.artefact)
        tags = {**new.tags, "sha256": hashlib.sha256(new.artefact).hexdigest()}
        self.versions.append(ModelVersion(version, AT, "run", path, tags, dict(new.metrics)))
        return self.versions[-1]

    def restore(self, name: str, known: Sequence[ModelVersion]) -> None:
        """Add the versions that are lost."""
        present = {each.version for each in self.versions}
        self.versions += [each for each in known if each.version not in present]
        self.versions.sort(key=lambda each: each.version)

    def rewrite(self, name: str, version: ModelVersion, new: NewModel) -> None:
        """Write the file of a version again."""
        (self.root / version.artefact).write_bytes(new.artefact)

    def promote(self, name: str, version: int) -> None:
        """Move the champion."""
        self.champion = version

    def record(self, experiment: str, run: str, **values: Any) -> str:
        """Record the result of a run."""
        self.records[run] = {"experiment": experiment, **values}
        return run


def _no_download() -> tuple[bytes, str]:
    raise AssertionError("the base data are stored; nothing is downloaded")


class RatingsPlatform:
    """Runs the steps of the workflow as its DAGs do."""

    def __init__(self, store: Store, registry: RegistryInMemory, settings: RatingsSettings) -> None:
        self.store, self.registry, self.settings = store, registry, settings
        self.runs = 0
        self.notes: list[str] = []
        self.metrics: dict[str, float | None] = {}

    def pipeline(self, run: Run, clock: Callable[[], float] = lambda: NOW, registry: Any = None) -> Pipeline:
        """Build the steps of a run."""
        dependencies = Dependencies(
            store=self.store,
            stored=lambda path: self.registry.root / path,
            registry=registry or self.registry,
            fetch_base=_no_download,
            clock=lambda: datetime.fromtimestamp(clock(), UTC),
            note=self.notes.append,
            measure=lambda metrics: self.metrics.update(metrics()),
        )
        return Pipeline(dependencies, self.settings, run)

    def next_run(self, by: str = "quartet", **params: Any) -> Run:
        """Return a new DAG run."""
        self.runs += 1
        return Run(f"run-{self.runs}", datetime.fromtimestamp(NOW, UTC), by, params)

    def plan(self, now: float = NOW, **asked: Any) -> Plan:
        """Ingest and pin, as a new run."""
        return make_plan(self.next_run(**asked), self.store, base.load(self.store.path), self.settings, now)

    def train(self, plan: Plan, registry: Any = None) -> Report:
        """Run the task `train`."""
        run = Run(plan.run, datetime.fromtimestamp(NOW, UTC), plan.by)
        self.pipeline(run, registry=registry).train(asdict(plan))
        return self.report("train", plan.run)

    def run(self, **asked: Any) -> Report | None:
        """Run `ratings_train`; `None`: there was nothing to do."""
        run = self.next_run(**asked)
        try:
            plan = self.pipeline(run).ingest()
        except NothingToDoError:
            return None
        return self.train(Plan(**plan))

    def predict(self, clock: Callable[[], float] = lambda: NOW, run: str = "") -> Report:
        """Run `ratings_predict`, as a new run or as *run*."""
        run = run or self.next_run().id
        pipeline = self.pipeline(Run(run, datetime.fromtimestamp(NOW, UTC), "quartet"), clock)
        try:
            pipeline.predict()
        except NothingToDoError as reason:
            self.notes.append(str(reason))
        return self.report("predict", run)

    def report(self, job: Job, run: str) -> Report:
        """Return the report of a run."""
        found: Mapping[str, Any] | None = report.read(self.store.path, job, run)
        assert found is not None
        return Report(**found)

    def drop(self, name: str, text: str, repo: str = "training") -> Path:
        """Write a landed file as by hand."""
        path = Path(self.store.path) / repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

"""The steps of a labeling task. Each of them can be run again at any time."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Engine, Row

from include.audience import failures, layout, plan, report
from include.audience.failures import LabelingFailedError
from include.audience.labeling import authors
from include.audience.labeling.cleaning import Ballot
from include.audience.labeling.labeler import Findings, Labeler
from include.audience.plan import Plan
from include.audience.report import LabelingReport
from include.audience.results import batches, production, state, tables
from include.audience.settings import AudienceSettings, UnknownSchemaError
from include.audience.source.oddities import Oddities, TooManyUnreadableError
from include.audience.source.posts import Source
from include.audience.source.windows import Stretch
from include.audience.task import Task
from include.core.database.bulk import gc_disabled
from include.core.database.engine import open_engine
from include.core.database.errors import classify_errors, retry
from include.core.storage import StoragePath

log = logging.getLogger(__name__)

PART_ROWS = 20_000
"""Number of rows held as Python objects at a time."""

ABORT_SECONDS = 5.0
"""Time between two looks whether a task was aborted, apart from those of each write."""

Metrics = Mapping[str, float | None]


class Measure(Protocol):
    """Sends metrics; never fails."""

    def __call__(self, values: Metrics | Callable[[], Metrics], tags: Mapping[str, str]) -> None:
        """Send values by the last part of their name; a function returns them if that takes work or may fail."""
        ...


@dataclass(frozen=True)
class Dependencies:
    """What a run reaches outside itself."""

    settings: AudienceSettings
    root: StoragePath
    """The workflow's folder in storage."""
    clock: Callable[[], float]
    """Returns the time in seconds since 1970."""
    measure: Measure
    note: Callable[[str], object]
    """Sets the note of the DAG run."""
    name_batch: Callable[[str], object]
    """Names the batch of an Airflow task in the web UI."""


class Pipeline:
    """
    A run of one labeling task.

    Args:
        dependencies: what the run reaches outside itself.
        task: the task.
        dag_run_id: id of the DAG run.
    """

    def __init__(self, dependencies: Dependencies, task: Task, dag_run_id: str) -> None:
        self.dependencies = dependencies
        self.settings = dependencies.settings
        self.clock = dependencies.clock
        self.task = task
        self.dag_run_id = dag_run_id
        self.folder = layout.task_folder(dependencies.root, task.task_id)

    def open_task(self) -> list[int]:
        """Insert the task into `state` unless it is there, pin it, and return the numbers of its batches."""
        with self._open_results() as engine:
            tables.ensure(engine, [tables.STATE, tables.PROGRESS, tables.COVERAGE])
            instant = self.clock()
            now = datetime.fromtimestamp(instant, self.settings.zone)
            state.insert_task(engine, self.task, self.dag_run_id, now, instant)
            with self._noting_errors(engine):
                state.reopen(engine, self.task.task_id)
                with self._open_source() as source:
                    pinned = plan.make(self.task, self.settings, source, self.folder)
                begins = [pinned.windows.begin(stretches[0][0]) for stretches in pinned.batches]
                batches.plan_batches(engine, self.task.task_id, begins)
        log.info("%d windows in %d batches", len(pinned.windows), len(pinned.batches))
        self._measure(lambda: {"data_lag_hours": self._lag_hours()})
        return list(range(len(pinned.batches)))

    def label(self, batch: int) -> None:
        """Label a batch."""
        with self._open_own_results() as engine, self._noting_errors(engine), self._open_source() as source:
            state.reopen(engine, self.task.task_id)
            pinned = self._plan()
            stretches = pinned.batches[batch]
            span = pinned.windows.span((stretches[0][0], stretches[-1][1]))
            self.dependencies.name_batch(f"{span.first:%Y-%m-%d %H:%M} - {span.last:%Y-%m-%d %H:%M}")
            with gc_disabled():
                self._label(engine, source, pinned, batch)

    def close_labeling(self) -> str:
        """
        End the label stage: store its report, or its failure if a batch is not done.

        Returns:
            The time when production is due, ISO 8601.

        Raises:
            LabelingFailedError: not all batches were labelled; this is in `state` then.
            TooManyUnreadableError: too many posts are unreadable; likewise.
            TaskAbortedError: the task was aborted.
        """
        with self._open_own_results() as engine:
            pinned = plan.load(self.folder)
            progress = batches.progress(engine, self.task.task_id)
            if pinned is None or len(progress) < len(pinned.batches) or any(row.check_point for row in progress):
                with engine.begin() as connection:
                    state.lock(connection, self.task.task_id)
                state.withdraw(engine, self.task.task_id)
                raise LabelingFailedError(failures.record_labeling(engine, self.task))
            received, oddities = sum(row.received for row in progress), self._oddities(pinned, progress)
            try:
                self._check_unreadable(received, oddities)
            except TooManyUnreadableError as error:
                state.withdraw(engine, self.task.task_id)
                state.note_error(engine, self.task.task_id, str(error))
                failures.record_labeling(engine, self.task)
                raise
            names = plan.load_source_map(self.folder, pinned).tables
            with self._noting_errors(engine):
                written = batches.written(engine, self.task.task_id, names)
                distinct = authors.count(layout.authors_file(self.folder, batch) for batch in range(len(progress)))
                found = LabelingReport(
                    received=received,
                    written=sum(written.values()),
                    result=list(written),
                    authors=[distinct[names.index(name)] for name in written],
                    minutes=(max(row.wrote for row in progress) - min(row.began for row in progress)) / 60,
                    warning=_warning(pinned, oddities),
                )
                retry()(state.close_labeling, engine, self.task.task_id, found)
        self._measure(found.metrics)
        return datetime.fromtimestamp(self.clock() + self.task.countdown, UTC).isoformat()

    def produce(self) -> dict[str, int]:
        """
        Write the result tables and return the number of rows of each.

        Raises:
            TaskAbortedError: the task was aborted.
        """
        with (
            self._open_own_results() as engine,
            failures.noting_errors(engine, self.task, self.settings, failures.PRODUCTION_FAILED),
            gc_disabled(),
        ):
            pinned, task_id = self._plan(), self.task.task_id
            row = state.read(engine, task_id)
            if row is None or row.stat not in (state.Stat.SUCCESS, state.Stat.BREAK):
                raise LabelingFailedError(f"task {task_id} has not been labelled")
            names = row.result.split(",") if row.result else []
            distinct = [int(count) for count in (row.uniq_source_author or "").split(",") if count]
            retry()(production.clear_others, engine, task_id, names, plan.load_source_map(self.folder, pinned).tables)
            produced = {name: retry()(production.produce, engine, task_id, name, pinned.ties) for name in names}
            warning = _warning(pinned, self._oddities(pinned, batches.progress(engine, task_id)))
            retry()(state.close_production, engine, task_id, list(produced.values()), distinct, warning)
        for table, share in report.author_coverage(produced, distinct).items():
            self._measure({"coverage": share}, table=table)
        self.dependencies.note(report.note(task_id, produced, warning))
        return produced

    def record_failure(self) -> None:
        """Store the failure of a run, unless it is stored: for a task that ended without an error of its own."""
        with self._open_own_results() as engine:
            failures.record_end(engine, self.task)

    def _label(self, engine: Engine, source: Source, pinned: Plan, batch: int) -> None:
        source_map = plan.load_source_map(self.folder, pinned)
        rules = plan.load_rules(self.folder, pinned)
        labeler = Labeler(rules, source_map, pinned.windows, pinned.ties, self._abort_check(engine))
        writer = batches.BatchWriter(engine, self.task.task_id, batch, pinned.windows, source_map.tables)
        writer.begin(pinned.batches[batch][0], self.clock())
        findings = Findings()
        for stretch in pinned.batches[batch]:
            found = retry()(self._label_stretch, labeler, source, writer, stretch)
            findings.add(found)
            log.info("windows %d to %d: %d rows", *stretch, found.received)
        authors.save(layout.authors_file(self.folder, batch), findings.authors)
        if findings.oddities.total:
            log.warning("%s", findings.oddities)
        retry()(writer.finish, findings.received, findings.coverage, findings.oddities, self.clock())

    def _label_stretch(
        self, labeler: Labeler, source: Source, writer: batches.BatchWriter, stretch: Stretch
    ) -> Findings:
        findings, ballot = Findings(), Ballot()
        for posts in source.read(labeler.windows.span(stretch), PART_ROWS, findings.oddities):
            ballot.add(labeler.label(posts, findings))
        writer.write(stretch, labeler.settle(ballot))
        return findings

    def _oddities(self, pinned: Plan, progress: Sequence[Row[Any]]) -> Oddities:
        """Return the unreadable posts of the whole task."""
        found = Oddities.from_json(pinned.oddities)
        found.update(batches.oddities(progress))
        return found

    def _check_unreadable(self, received: int, oddities: Oddities) -> None:
        limit = self.settings.max_unreadable_ratio
        oddities.check(received, limit, self.settings.variable("max_unreadable_ratio"))

    def _abort_check(self, engine: Engine) -> Callable[[], None]:
        """Return a function that raises `TaskAbortedError` some seconds after the task was aborted."""
        looked = time.monotonic()

        def check() -> None:
            nonlocal looked
            if time.monotonic() - looked > ABORT_SECONDS:
                state.check_not_aborted(engine, self.task.task_id)
                looked = time.monotonic()

        return check

    def _plan(self) -> Plan:
        if pinned := plan.load(self.folder):
            return pinned
        raise plan.NoPlanError(f"task {self.task.task_id} has no plan: clear its run from the first task on")

    def _lag_hours(self) -> float | None:
        """Return the age of the newest post in hours; `None` without posts, or without an index to find it."""
        with self._open_source() as source:
            newest = source.newest()
        if newest is None:
            return None
        return (self.clock() - newest.replace(tzinfo=self.settings.zone).timestamp()) / 3600

    def _measure(self, values: Metrics | Callable[[], Metrics], **tags: str) -> None:
        self.dependencies.measure(values, {"schema": self.task.target_schema, **tags})

    def _noting_errors(self, engine: Engine) -> AbstractContextManager[None]:
        return failures.noting_errors(engine, self.task, self.settings)

    @contextmanager
    def _open_results(self) -> Iterator[Engine]:
        self.settings.check_output(self.task.output_schema)
        with classify_errors(), open_engine(self.settings.result_url(self.task.output_schema)) as engine:
            yield engine

    @contextmanager
    def _open_own_results(self) -> Iterator[Engine]:
        with self._open_results() as engine:
            tables.ensure(engine, [tables.PROGRESS])  # of an earlier version, if the run has begun with it
            state.check_owner(engine, self.task.task_id, self.dag_run_id)
            yield engine

    @contextmanager
    def _open_source(self) -> Iterator[Source]:
        try:
            with open_engine(self.settings.source_url(self.task.target_schema), read_only=True) as engine:
                yield Source(engine, self.task.target_table, self.task.predict_type)
        except FileNotFoundError:
            raise UnknownSchemaError(f"there is no source schema {self.task.target_schema}") from None


def _warning(pinned: Plan, oddities: Oddities) -> str:
    return "; ".join([*pinned.warnings, *filter(None, [str(oddities)])])

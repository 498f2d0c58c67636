"""The steps of a labeling task: open, label a batch, close, produce. Each may be run again at any time."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from include.audience import authors, plan, production, results, state, tables
from include.audience.cleaning import Ballot
from include.audience.labeling import Findings, Labeler
from include.audience.plan import Plan
from include.audience.request import Task
from include.audience.settings import AudienceSettings, UnknownSchemaError
from include.audience.source import Source
from include.audience.windows import Stretch
from include.core.database.bulk import gc_disabled
from include.core.database.engine import open_engine
from include.core.database.errors import classify_errors, retry
from include.core.errors import BadDataError
from include.core.storage import StoragePath

log = logging.getLogger(__name__)

PART_ROWS = 20_000
"""Rows that are in Python at a time."""


class LabelingFailedError(BadDataError):
    """Not all batches were labelled; clearing the failed tasks in Airflow resumes."""


class Pipeline:
    """
    One labeling task.

    Args:
        settings: servers, schemas, sizes.
        task: what to do.
        folder: the task's folder in storage.
        dag_run_id: the DAG run that works on it.
        clock: gives seconds since 1970.
    """

    def __init__(
        self, settings: AudienceSettings, task: Task, folder: StoragePath, dag_run_id: str, clock: Callable[[], float]
    ) -> None:
        self.settings = settings
        self.task = task
        self.folder = folder
        self.dag_run_id = dag_run_id
        self.clock = clock

    def open(self) -> list[int]:
        """
        Make sure that the task has its row in `state`, and pin what it works on.

        Returns:
            The numbers of its batches.
        """
        with self._results() as engine:
            tables.ensure(engine, [tables.STATE, tables.PROGRESS, tables.COVERAGE])
            instant = self.clock()
            now = datetime.fromtimestamp(instant, self.settings.zone)
            state.insert_task(engine, self.task, self.dag_run_id, now, instant)
            with self._noting_errors(engine):
                state.reopen(engine, self.task.task_id)
                with self._source() as source:
                    pinned = plan.make(self.task, self.settings, source, self.folder)
                begins = [pinned.windows.begin(stretches[0][0]) for stretches in pinned.batches]
                results.plan_batches(engine, self.task.task_id, begins)
        log.info("%d windows in %d batches", len(pinned.windows), len(pinned.batches))
        return list(range(len(pinned.batches)))

    def span(self, batch: int) -> str:
        """Name the time that a batch covers, for people."""
        pinned = self._plan()
        stretches = pinned.batches[batch]
        span = pinned.windows.span((stretches[0][0], stretches[-1][1]))
        return f"{span.first:%Y-%m-%d %H:%M} - {span.last:%Y-%m-%d %H:%M}"

    def label(self, batch: int) -> int:
        """Label a batch; give the number of rows received."""
        with self._own_results() as engine, self._noting_errors(engine), self._source() as source, gc_disabled():
            state.reopen(engine, self.task.task_id)
            pinned = self._plan()
            tables_ = plan.load_source_map(self.folder, pinned)
            labeler = Labeler(plan.load_rules(self.folder, pinned), tables_, pinned.windows, pinned.ties)
            writer = results.BatchWriter(engine, self.task.task_id, batch, pinned.windows, tables_.tables)
            writer.begin(pinned.batches[batch][0], self.clock())
            findings = Findings()
            for stretch in pinned.batches[batch]:
                found = retry()(self._label_stretch, labeler, source, writer, stretch)
                findings.add(found)
                log.info("windows %d to %d: %d rows", *stretch, found.received)
            authors.save(self.folder, batch, findings.authors)
            retry()(writer.finish, findings.received, findings.coverage, self.clock())
        return findings.received

    def close(self) -> state.Figures:
        """
        End the label stage: with its figures, or as failed when a batch is not done.

        Raises:
            LabelingFailedError: not all batches were labelled; that is in `state` then.
            TaskStoppedError: the task was aborted.
        """
        with self._own_results() as engine:
            pinned = plan.load(self.folder)
            batches = results.progress(engine, self.task.task_id)
            if pinned is None or len(batches) < len(pinned.batches) or any(row.check_point for row in batches):
                with engine.begin() as connection:
                    state.hold(connection, self.task.task_id)
                state.withdraw(engine, self.task.task_id)
                raise LabelingFailedError(self._record_failure(engine))
            names = plan.load_source_map(self.folder, pinned).tables
            with self._noting_errors(engine):
                written = results.written(engine, self.task.task_id, names)
                distinct = authors.count(self.folder, range(len(batches)))
                figures = state.Figures(
                    received=sum(row.received for row in batches),
                    written=sum(written.values()),
                    result=list(written),
                    authors=[distinct[names.index(name)] for name in written],
                    minutes=(max(row.wrote for row in batches) - min(row.began for row in batches)) / 60,
                )
                retry()(state.close_labeling, engine, self.task.task_id, figures)
        return figures

    def record_failure(self) -> None:
        """Say that the label stage failed, if nobody has said how it ended: for a run that failed without `close`."""
        with self._own_results() as engine:
            self._record_failure(engine)

    def coverage(self, produced: Mapping[str, int]) -> dict[str, float]:
        """Give for each result table the share of its authors that is in a panel, 0 to 1."""
        with self._results() as engine:
            row = state.read(engine, self.task.task_id)
        if row is None or not row.result or not row.uniq_source_author:
            return {}
        distinct = dict(zip(row.result.split(","), map(int, row.uniq_source_author.split(",")), strict=True))
        return {name: rows / distinct[name] for name, rows in produced.items() if distinct[name]}

    def lag_hours(self) -> float | None:
        """Tell how old the newest post of the source is; `None`: it has none, or no index that would tell quickly."""
        with self._source() as source:
            newest = source.newest()
        if newest is None:
            return None
        return (self.clock() - newest.replace(tzinfo=self.settings.zone).timestamp()) / 3600

    def production_time(self) -> datetime:
        """Tell when production is due, counted from now."""
        return datetime.fromtimestamp(self.clock() + self.task.countdown, UTC)

    def produce(self) -> dict[str, int]:
        """
        Write the result tables; give the rows of each.

        Raises:
            TaskStoppedError: the task was aborted.
        """
        with self._own_results() as engine, self._noting_errors(engine), gc_disabled():
            pinned, task_id = self._plan(), self.task.task_id
            row = state.read(engine, task_id)
            if row is None or row.stat not in (state.Stat.SUCCESS, state.Stat.BREAK):
                raise LabelingFailedError(f"task {task_id} has not been labelled")
            names = row.result.split(",") if row.result else []
            distinct = [int(count) for count in (row.uniq_source_author or "").split(",") if count]
            retry()(production.clear_others, engine, task_id, names, plan.load_source_map(self.folder, pinned).tables)
            produced = {name: retry()(production.produce, engine, task_id, name, pinned.ties) for name in names}
            retry()(state.close_production, engine, task_id, list(produced.values()), distinct)
        return produced

    def _label_stretch(
        self, labeler: Labeler, source: Source, writer: results.BatchWriter, stretch: Stretch
    ) -> Findings:
        findings, ballot = Findings(), Ballot()
        for posts in source.read(labeler.windows.span(stretch), PART_ROWS):
            ballot.add(labeler.label(posts, findings))
        writer.write(stretch, labeler.settled(ballot))
        return findings

    def _plan(self) -> Plan:
        if pinned := plan.load(self.folder):
            return pinned
        raise plan.NoPlanError(f"task {self.task.task_id} has no plan: clear it from its first step")

    def _record_failure(self, engine: Engine) -> str:
        row, batches = state.read(engine, self.task.task_id), results.progress(engine, self.task.task_id)
        check_point = min((row.check_point for row in batches if row.check_point), default=self.task.start_time)
        error = str((row and row.error_message) or "a task ended without a word; its log in Airflow may tell")
        state.fail(engine, self.task.task_id, check_point, error)
        return f"labeling stopped at {check_point}: {error}; to resume, clear the failed tasks in Airflow"

    @contextmanager
    def _results(self) -> Iterator[Engine]:
        self.settings.check_output(self.task.output_schema)
        with classify_errors(), open_engine(self.settings.result_url(self.task.output_schema)) as engine:
            yield engine

    @contextmanager
    def _own_results(self) -> Iterator[Engine]:
        with self._results() as engine:
            state.check_owner(engine, self.task.task_id, self.dag_run_id)
            yield engine

    @contextmanager
    def _source(self) -> Iterator[Source]:
        try:
            with open_engine(self.settings.source_url(self.task.target_schema), read_only=True) as engine:
                yield Source(engine, self.task.target_table, self.task.predict_type)
        except FileNotFoundError:
            raise UnknownSchemaError(f"there is no source schema {self.task.target_schema}") from None

    @contextmanager
    def _noting_errors(self, engine: Engine) -> Iterator[None]:
        """Keep the text of an error in `state`; it is raised on."""
        try:
            with classify_errors():
                yield
        except (state.TaskStoppedError, LabelingFailedError):  # `state` tells already
            raise
        except Exception as error:
            try:
                state.note_error(engine, self.task.task_id, self.settings.without_secrets(_words(error)))
            except Exception:
                log.exception("The error could not be kept in the table state")
            raise


def _words(error: Exception) -> str:
    """Put an error into words for people, without the statement that it came from."""
    if isinstance(error, BadDataError):
        return str(error)
    return f"{type(error).__name__}: {error.orig if isinstance(error, DBAPIError) else error}"

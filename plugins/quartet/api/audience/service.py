"""Service behind the routes of the audience API: reads and writes databases and storage, and explains failures."""

import logging
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import URL, Engine, Row, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from include.audience import layout, plan
from include.audience.progress import Progress, progress_of
from include.audience.report import coverage_report
from include.audience.request import LabelingRequest
from include.audience.results import batches, deletion, state, tables
from include.audience.results.adoption import ResultTableError
from include.audience.results.sampling import sample
from include.audience.results.state import Stat
from include.audience.retention import is_over
from include.audience.rules import files
from include.audience.rules.ruleset import Rules
from include.audience.settings import AudienceSettings, UnknownSchemaError
from include.audience.source import source_map
from include.audience.task import RangeError, Task, make_task
from include.core.database.engine import open_engine
from include.core.database.errors import is_missing_column, is_timeout, retry
from include.core.database.mariadb import with_timeouts
from include.core.errors import BadDataError, DamagedObjectError
from include.core.retention import Sweeper
from include.core.text import excerpt
from quartet.api.audience.messages import ADVICE, ENDED, NEVER_STARTED, NO_ROWS, UNKNOWN
from quartet.api.audience.schemas import Accepted, Coverage, Created, Sample, Status, TaskList
from quartet.api.common.errors import ApiError
from quartet.hooks.storage import StorageHook

log = logging.getLogger(__name__)

T = TypeVar("T")

TASK_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
ID_CHARACTERS = 32
ATTEMPTS = 2
"""Attempts of a write; few, since the caller is waiting."""
CONNECT_SECONDS, ANSWER_SECONDS = 4, 10
"""Maximum seconds until MariaDB has accepted the user, and for each answer; few, for the same reason."""

RESULT_TABLES = {tables.PRODUCTION_PREFIX + name: name for name in sorted(source_map.TABLES, key=str.lower)}
"""Name of each result table → name of the table of labelled rows."""

LISTS = ("length_prod_table", "uniq_source_author", "rate_of_label")
"""Columns with a number for each table."""


class UnknownTaskError(BadDataError):
    """The task does not exist."""


RUN_PREFIX = "api__"
"""Beginning of the ids of runs that are started by this API."""
UNOPENED_SECONDS = 120
"""Age at which a task that no run has opened is looked at: starting the run may take a minute on a busy server."""

DATABASE_FAULTS = (SQLAlchemyError, OSError, UnicodeError, ResultTableError)
STORAGE_FAULTS = (BotoCoreError, ClientError, DamagedObjectError)


class AudienceService:
    """
    Service behind the routes.

    Args:
        settings: settings of the workflow.
    """

    def __init__(self, settings: AudienceSettings) -> None:
        self.settings = settings

    def task_of(self, request: LabelingRequest) -> Task:
        """Return the new task of a request."""
        return make_task(request, self.settings)

    def reject(self, task: Task) -> Created | None:
        """Return why a task cannot be created; `None` if it can, and its tables exist now."""
        try:
            task.check()
            self._prepare(task.output_schema)
            files.read(self.settings.rules_dir, task.model_type, task.predict_type)
        except RangeError as error:
            return Created(error_code=400, error_message=str(error))
        except (*DATABASE_FAULTS, UnknownSchemaError) as error:
            text = f"cannot connect to output schema, additional error message: {self.describe(error)}"
            return Created(error_code=503, error_message=text)
        except BadDataError as error:
            text = "cannot read pattern file, probably unknown file path or file is not exist"
            return Created(error_code=501, error_message=f"{text}, additional error message: {self.describe(error)}")
        return None

    def insert(self, task: Task, run_id: str) -> None:
        """Insert the row of a new task with the id of its DAG run."""
        now = datetime.now(self.settings.zone)
        with self._writing(task.output_schema) as engine:
            retry(ATTEMPTS)(state.insert_task, engine, task, run_id, now, now.timestamp())

    def created(self, task: Task) -> Created:
        """Return the response for a new task."""
        log.info("task %s: %s.%s, %s", task.task_id, task.target_schema, task.target_table, task.date_range)
        return Created(error_code=200, error_message=Accepted(**task.as_json(), date_range=task.date_range))

    def not_started(self, task: Task, error: Exception) -> Created:
        """Store that a task was not started and return the response; a failure to store it is logged."""
        text = f"failed to start a labeling task, additional error message: {self.describe(error)}"
        log.error("task %s was not started", task.task_id, exc_info=error)
        try:
            with self._writing(task.output_schema) as engine:
                retry(ATTEMPTS)(state.fail, engine, task.task_id, None, text)
        except Exception:
            log.exception("task %s: its failure could not be stored", task.task_id)
        return Created(error_code=500, error_message=text)

    def newest(self) -> TaskList:
        """List the newest tasks."""
        limit = self.settings.list_length
        try:
            found = self._read(tables.STATE.name, lambda engine: state.newest(engine, limit), [])
        except DATABASE_FAULTS:
            log.exception("the table state cannot be read")
            return TaskList(error_code=500, error_message="cannot connect to state table", content=[])
        rows = [self._described(row) for row in found]
        return TaskList.model_validate({"error_code": 200, "error_message": "OK", "content": rows})

    def task(self, task_id: str) -> dict[str, Any]:
        """
        Return a task as the list has it, with the id of its DAG run.

        Raises:
            UnknownTaskError: there is no such task.
        """
        return self._described(dict(self._find(task_id)._mapping))

    def progress(self, task_id: str) -> Progress:
        """Return how far a task has come."""
        rows = self._read(tables.PROGRESS.name, lambda engine: batches.progress(engine, task_id), [])
        return progress_of(rows, time.time())

    def rules(self, task_id: str) -> Rules | None:
        """Return the pinned rules of a task; `None` if they are no longer kept."""
        folder = layout.task_folder(StorageHook().path("audience"), task_id)
        pinned = plan.load(folder)
        return plan.load_rules(folder, pinned) if pinned else None

    def status(self, task_id: str) -> Status:
        """Return the status of a task."""
        try:
            return self._status(self._find(task_id), "OK")
        except (*DATABASE_FAULTS, UnknownTaskError) as error:
            return self._unknown(error)

    def unopened(self) -> dict[str, str]:
        """Return tasks that should long have been opened, with the ids of their runs, which may not exist."""
        before = time.time() - UNOPENED_SECONDS
        return self._read(tables.PROGRESS.name, lambda engine: state.unopened(engine, RUN_PREFIX, before), {})

    def close_unopened(self, task_id: str) -> None:
        """Store that the run of a task was never started."""
        log.warning("task %s has no run, as if the server had ended while it was created", task_id)
        with self._writing(self.settings.output_schema) as engine:
            retry(ATTEMPTS)(state.fail, engine, task_id, None, NEVER_STARTED)

    def abort(self, task_id: str) -> tuple[Status, str | None]:
        """
        Abort a task.

        Returns:
            Its status, and the id of its DAG run if the run has to be ended because no running step would notice.
        """
        try:
            self._find(task_id)  # before opening the database for writing, which would create it
            with self._writing(self.settings.output_schema) as engine:
                before = retry(ATTEMPTS)(state.abort, engine, task_id)
            row = self._find(task_id)
        except (*DATABASE_FAULTS, UnknownTaskError) as error:
            return self._unknown(error), None
        if before == Stat.BREAK or row.stat != Stat.BREAK:
            return self._status(row, f"the task {ENDED.get(row.stat, 'is finished')}; nothing was changed"), None
        log.info("task %s was aborted, it was %s", task_id, before)
        return self._status(row, "OK"), row.dag_run_id if before == Stat.SUCCESS else None

    def delete(self, task_id: str) -> tuple[Status, str | None]:
        """
        Delete a task: its rows in all tables, its files, and last its row in `state`. It can be repeated.

        Returns:
            The response, and the id of its DAG run if that has not ended.
        """
        try:
            row = self._find(task_id)
            with self._writing(self.settings.output_schema) as engine:
                count = retry(ATTEMPTS)(deletion.delete_rows, engine, task_id)
                if TASK_ID.fullmatch(task_id):  # it becomes part of a path
                    root = layout.tasks(StorageHook().path("audience"))
                    Sweeper(root).sweep_away(root / task_id, f"files of the deleted task {task_id}")
                retry(ATTEMPTS)(deletion.delete_task, engine, task_id)
        except (*DATABASE_FAULTS, *STORAGE_FAULTS, UnknownTaskError) as error:
            return self._unknown(error), None
        log.info("task %s was deleted with %d rows", task_id, count)
        deleted = Status(error_code=200, error_message="deleted", status=None, prod_status=None, result=None)
        return deleted, None if is_over(row) or row.stat == Stat.FAILURE else row.dag_run_id

    def sample(self, task_id: str, names: list[str]) -> Sample:
        """Draw rows from result tables, or from labelled rows while the task is being labelled."""
        if (length := len(task_id)) != ID_CHARACTERS:
            text = f"{task_id} is not in proper format, expect {ID_CHARACTERS} digits get {length} digits"
            return Sample(error_code=400, error_message=text)
        try:
            rows = self._read(tables.STATE.name, lambda engine: self._sampled(engine, task_id, names), [])
        except DATABASE_FAULTS as error:
            text = f"Cannot scrape data from result tables. Additional error message: {self.describe(error)}"
            return Sample(error_code=500, error_message=text)
        if not rows:
            return Sample(error_code=404, error_message=NO_ROWS)
        return Sample.model_validate({"error_code": 200, "error_message": rows})

    def coverage(self, task_id: str) -> Coverage:
        """Return the coverage of the rules of a task."""
        try:
            row = self._find(task_id)
            if not TASK_ID.fullmatch(task_id):  # it becomes part of a path
                raise UnknownTaskError(f"a task id has {ID_CHARACTERS} hexadecimal digits, found {excerpt(task_id)}")
            if row.stat != Stat.SUCCESS:
                advice = ADVICE.get(row.stat, "ask again later")
                text = f"the task has the status {row.stat}, its coverage is known with SUCCESS: {advice}"
                return Coverage(error_code=404, error_message=text, content=None)
            content = self._covered(task_id, row.length_receive_table or 0)
        except UnknownTaskError as error:
            return Coverage(error_code=400, error_message=f"{UNKNOWN}{error}", content=None)
        except (*DATABASE_FAULTS, *STORAGE_FAULTS) as error:
            text = f"cannot read the coverage, additional error message: {self.describe(error)}"
            return Coverage(error_code=500, error_message=text, content=None)
        if content is None:
            text = "the rules of the task are no longer kept: create another task to see what they do"
            return Coverage(error_code=404, error_message=text, content=None)
        return Coverage.model_validate({"error_code": 200, "error_message": "OK", "content": content})

    def describe(self, error: BaseException) -> str:
        """Return the text of an error without SQL, paths and passwords."""
        if is_timeout(error):
            text = "the database server does not answer, try again later"
        elif isinstance(error, StatementError):
            text = str(error.orig)
        elif isinstance(error, OSError):
            text = error.strerror or type(error).__name__
        elif isinstance(error, DamagedObjectError):  # its text contains a path
            text = "a stored file of the task is damaged"
        elif isinstance(error, BadDataError | ApiError | SQLAlchemyError):
            text = str(error)
        else:
            text = type(error).__name__
        return self.settings.without_secrets(text).encode("utf-8", "backslashreplace").decode()

    def _prepare(self, schema: str) -> None:
        self.settings.check_output(schema)
        with self._writing(schema) as engine:
            tables.ensure(engine, [tables.STATE, tables.PROGRESS, tables.COVERAGE])

    def _writing(self, schema: str) -> Any:
        return open_engine(self._url(schema))

    def _url(self, schema: str) -> URL:
        return with_timeouts(self.settings.result_url(schema), CONNECT_SECONDS, ANSWER_SECONDS)

    def _read(self, table: str, query: Callable[[Engine], T], otherwise: T) -> T:
        """
        Read results; return *otherwise* while the table or the database does not exist.

        Tables of an earlier system are adopted first.
        """
        schema = self.settings.output_schema
        for attempt in (1, 2):
            try:
                with open_engine(self._url(schema), read_only=True) as engine:
                    return query(engine) if inspect(engine).has_table(table) else otherwise
            except FileNotFoundError:
                break
            except DBAPIError as error:
                if attempt == 2 or not is_missing_column(error):
                    raise
                self._prepare(schema)
        return otherwise

    def _find(self, task_id: str) -> Row[Any]:
        if row := self._read(tables.STATE.name, lambda engine: state.read(engine, task_id), None):
            return row
        raise UnknownTaskError(f"there is no task {excerpt(task_id)}")

    def _sampled(self, engine: Engine, task_id: str, names: list[str]) -> list[dict[str, Any]]:
        task, present = state.read(engine, task_id), tables.existing(engine)
        if task is not None and task.stat == Stat.PENDING:
            names = [RESULT_TABLES[name] for name in names]
        found = [tables.temp(name) for name in names if name in present]
        return [row for table in found for row in sample(engine, table, task_id, self.settings.sample_size)]

    def _covered(self, task_id: str, received: int) -> dict[str, Any] | None:
        folder = layout.task_folder(StorageHook().path("audience"), task_id)
        if (pinned := plan.load(folder)) is None:
            return None
        rules = plan.load_rules(folder, pinned)
        counts = self._read(tables.COVERAGE.name, lambda engine: batches.coverage_counts(engine, task_id), None)
        return None if counts is None else coverage_report(counts, rules, received)

    def _described(self, row: dict[str, Any]) -> dict[str, Any]:
        lists = {name: str(row[name]) for name in LISTS if row[name] is not None}  # once, they were numbers
        produced, error = lists.get("length_prod_table"), row["error_message"]
        return (
            row
            | lists
            | {name: row[name] or "" for name in ("date_range", "result")}
            | {
                "length_prod_table": int(produced) if produced and produced.isdecimal() else produced,
                "error_message": error and self.settings.without_secrets(error),
            }
        )

    def _status(self, row: Row[Any], message: str) -> Status:
        found = {"status": row.stat, "prod_status": row.prod_stat, "result": row.result}
        if row.stat == Stat.FAILURE or (row.stat == Stat.SUCCESS and row.error_message):
            found["detail"] = self.settings.without_secrets(row.error_message or "")
        return Status(error_code=200, error_message=message, **found)

    def _unknown(self, error: Exception) -> Status:
        text = f"{UNKNOWN}{self.describe(error)}"
        return Status(error_code=400, error_message=text, status=None, prod_status=None, result=None)

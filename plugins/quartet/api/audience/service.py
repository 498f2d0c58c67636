"""What the audience API does behind its routes: databases and storage in, answers out, failures too."""

import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Engine, Row, inspect
from sqlalchemy.exc import SQLAlchemyError, StatementError

from include.audience import plan, rules, source_map, state, tables
from include.audience.coverage_report import coverage_report
from include.audience.request import RangeError, Task
from include.audience.sampling import sample
from include.audience.settings import AudienceSettings, UnknownSchemaError
from include.audience.state import Stat
from include.core.database.engine import open_engine
from include.core.database.errors import retry
from include.core.errors import BadDataError, DamagedObjectError
from include.core.text import shown
from quartet.api.audience.schemas import Coverage, Created, Sample, Status, TaskList
from quartet.api.common.errors import ApiError
from quartet.hooks.storage import StorageHook

log = logging.getLogger(__name__)

T = TypeVar("T")

TASK_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
ID_CHARACTERS = 32
TRIES = 2
"""How often a write is tried; a caller waits."""

RESULT_TABLES = {tables.PRODUCTION_PREFIX + name: name for name in sorted(source_map.TABLES, key=str.lower)}
"""Name of each result table → name of the table with the labelled rows."""

UNKNOWN = "task id is not exist, plz re-check the task id. Addition error message: "
NO_ROWS = (
    "empty result, probably wrong combination of task_id and table_name, please check table state "
    "or use /api/tasks/{task_id} first"
)
ADVICE: dict[str, str] = {
    Stat.PENDING: "ask again later",
    Stat.FAILURE: "clear its failed tasks in Airflow to resume it, or create another task",
    Stat.BREAK: "create another task",
}
"""What to do about a task that is not labelled."""
ENDED: dict[str, str] = {Stat.BREAK: "was aborted before", Stat.FAILURE: "has failed"}
"""Why a task cannot be aborted."""


class UnknownTaskError(BadDataError):
    """There is no such task."""


DATABASE_FAULTS = (SQLAlchemyError, OSError, UnicodeError)
STORAGE_FAULTS = (BotoCoreError, ClientError, DamagedObjectError)


class Desk:
    """
    Answers what the routes are asked.

    Args:
        settings: servers, schemas, rules, sizes.
    """

    def __init__(self, settings: AudienceSettings) -> None:
        self.settings = settings

    def refusal(self, task: Task) -> Created | None:
        """Say why a task cannot be; `None`: it can, and its tables are there."""
        try:
            task.check()
            self._prepare(task.output_schema)
            rules.read(self.settings.rules_dir, task.model_type, task.predict_type)
        except RangeError as error:
            return Created(error_code=400, error_message=str(error))
        except (*DATABASE_FAULTS, UnknownSchemaError) as error:
            text = f"cannot connect to output schema, additional error message: {self.told(error)}"
            return Created(error_code=503, error_message=text)
        except BadDataError as error:
            text = "cannot read pattern file, probably unknown file path or file is not exist"
            return Created(error_code=501, error_message=f"{text}, additional error message: {self.told(error)}")
        return None

    def insert(self, task: Task, run_id: str) -> None:
        """Insert the row of a new task and the name of its DAG run."""
        now = datetime.now(self.settings.zone)
        with self._writing(task.output_schema) as engine:
            retry(TRIES)(state.insert_task, engine, task, run_id, now, now.timestamp())

    def give_up(self, task: Task, error: str) -> None:
        """Note that a task was never started; that this may fail too is only logged."""
        try:
            with self._writing(task.output_schema) as engine:
                retry(TRIES)(state.fail, engine, task.task_id, None, error)
        except Exception:
            log.exception("task %s: its failure could not be noted", task.task_id)

    def newest(self) -> TaskList:
        """List tasks."""
        limit = self.settings.list_length
        try:
            found = self._look("state", lambda engine: state.newest(engine, limit), [])
        except DATABASE_FAULTS:
            log.exception("the table state cannot be read")
            return TaskList(error_code=500, error_message="cannot connect to state table", content=[])
        rows = [self._described(row) for row in found]
        return TaskList.model_validate({"error_code": 200, "error_message": "OK", "content": rows})

    def status(self, task_id: str) -> Status:
        """Tell how far a task is."""
        try:
            return self._status(self._find(task_id), "OK")
        except (*DATABASE_FAULTS, UnknownTaskError) as error:
            return self._unknown(error)

    def stop(self, task_id: str) -> tuple[Status, str | None]:
        """
        Abort a task.

        Returns:
            Its status, and the DAG run to end, if it may have nothing to do that would notice.
        """
        try:
            self._find(task_id)  # before the database is opened for writing, which would make one
            with self._writing(self.settings.output_schema) as engine:
                before = retry(TRIES)(state.stop, engine, task_id)
            row = self._find(task_id)
        except (*DATABASE_FAULTS, UnknownTaskError) as error:
            return self._unknown(error), None
        if before == Stat.BREAK or row.stat != Stat.BREAK:
            return self._status(row, f"the task {ENDED.get(row.stat, 'is finished')}; nothing was changed"), None
        log.info("task %s was aborted, it was %s", task_id, before)
        return self._status(row, "OK"), row.dag_run_id if before == Stat.SUCCESS else None

    def sample(self, task_id: str, names: list[str]) -> Sample:
        """Draw rows from result tables, or while a task is labelled from what there is of them."""
        if (length := len(task_id)) != ID_CHARACTERS:
            text = f"{task_id} is not in proper format, expect {ID_CHARACTERS} digits get {length} digits"
            return Sample(error_code=400, error_message=text)
        try:
            rows = self._look("state", lambda engine: self._sampled(engine, task_id, names), [])
        except DATABASE_FAULTS as error:
            text = f"Cannot scrape data from result tables. Additional error message: {self.told(error)}"
            return Sample(error_code=500, error_message=text)
        if not rows:
            return Sample(error_code=404, error_message=NO_ROWS)
        return Sample.model_validate({"error_code": 200, "error_message": rows})

    def coverage(self, task_id: str) -> Coverage:
        """Tell what the rules of a task have done."""
        try:
            row = self._find(task_id)
            if not TASK_ID.fullmatch(task_id):  # it becomes part of a path
                raise UnknownTaskError(f"a task id has {ID_CHARACTERS} hexadecimal digits, found {shown(task_id)}")
            if row.stat != Stat.SUCCESS:
                advice = ADVICE.get(row.stat, "ask again later")
                text = f"the task has the status {row.stat}, its coverage is known with SUCCESS: {advice}"
                return Coverage(error_code=404, error_message=text, content=None)
            content = self._covered(task_id, row.length_receive_table or 0)
        except UnknownTaskError as error:
            return Coverage(error_code=400, error_message=f"{UNKNOWN}{error}", content=None)
        except (*DATABASE_FAULTS, *STORAGE_FAULTS) as error:
            text = f"cannot read the coverage, additional error message: {self.told(error)}"
            return Coverage(error_code=500, error_message=text, content=None)
        if content is None:
            text = "the rules of the task are no longer kept: create another task to see what they do"
            return Coverage(error_code=404, error_message=text, content=None)
        return Coverage.model_validate({"error_code": 200, "error_message": "OK", "content": content})

    def told(self, error: BaseException) -> str:
        """Put an error into words that hold no SQL, no path and no password."""
        if isinstance(error, StatementError):
            text = str(error.orig)
        elif isinstance(error, OSError):
            text = error.strerror or type(error).__name__
        elif isinstance(error, DamagedObjectError):  # its text has a path
            text = "what is stored of the task is damaged"
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
        return open_engine(self.settings.result_url(schema))

    def _look(self, table: str, look: Callable[[Engine], T], otherwise: T) -> T:
        """Read results; *otherwise* while the table, or the whole database, is not there."""
        try:
            with open_engine(self.settings.result_url(self.settings.output_schema), read_only=True) as engine:
                return look(engine) if inspect(engine).has_table(table) else otherwise
        except FileNotFoundError:
            return otherwise

    def _find(self, task_id: str) -> Row[Any]:
        if row := self._look("state", lambda engine: state.read(engine, task_id), None):
            return row
        raise UnknownTaskError(f"there is no task {shown(task_id)}")

    def _sampled(self, engine: Engine, task_id: str, names: list[str]) -> list[dict[str, Any]]:
        task, present = state.read(engine, task_id), tables.existing(engine)
        if task is not None and task.stat == Stat.PENDING:
            names = [RESULT_TABLES[name] for name in names]
        found = [tables.temp(name) for name in names if name in present]
        return [row for table in found for row in sample(engine, table, task_id, self.settings.sample_size)]

    def _covered(self, task_id: str, received: int) -> dict[str, Any] | None:
        folder = StorageHook().path("audience", "tasks", task_id)
        if (pinned := plan.load(folder)) is None:
            return None
        found = plan.load_rules(folder, pinned)
        return self._look("pattern_coverage", lambda engine: coverage_report(engine, task_id, found, received), None)

    def _described(self, row: dict[str, Any]) -> dict[str, Any]:
        produced, error = row["length_prod_table"], row["error_message"]
        return row | {
            "length_prod_table": int(produced) if produced and produced.isdecimal() else produced,
            "error_message": error and self.settings.without_secrets(error),
        }

    def _status(self, row: Row[Any], message: str) -> Status:
        found = {"status": row.stat, "prod_status": row.prod_stat, "result": row.result}
        if row.stat == Stat.FAILURE:
            found["detail"] = self.settings.without_secrets(row.error_message or "")
        return Status(error_code=200, error_message=message, **found)

    def _unknown(self, error: Exception) -> Status:
        text = f"{UNKNOWN}{self.told(error)}"
        return Status(error_code=400, error_message=text, status=None, prod_status=None, result=None)

"""Messages of the audience API."""

from include.audience.results.state import Stat

UNKNOWN = "task id is not exist, plz re-check the task id. Addition error message: "
NO_ROWS = (
    "empty result, probably wrong combination of task_id and table_name, please check table state "
    "or use /api/tasks/{task_id} first"
)
NEVER_STARTED = "its run was never started: create another task"
ADVICE: dict[str, str] = {
    Stat.PENDING: "ask again later",
    Stat.FAILURE: "clear its failed tasks in Airflow to resume it, or create another task",
    Stat.BREAK: "create another task",
}
"""Status → what to do about a task that is not labelled."""
ENDED: dict[str, str] = {Stat.BREAK: "was aborted before", Stat.FAILURE: "has failed"}
"""Status → why a task cannot be aborted."""

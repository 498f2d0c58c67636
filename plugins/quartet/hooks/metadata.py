"""Airflow's metadata database, cleaned with Airflow's own command."""

import os
import re
import subprocess
import sys
from datetime import datetime

from airflow.sdk import BaseHook
from sqlalchemy import URL

BATCH_ROWS = 5_000
"""Rows removed by one statement, few enough to hold locks only briefly."""
TABLES = (
    "asset_event",
    "callback",
    "celery_taskmeta",
    "celery_tasksetmeta",
    "connection_test_request",
    "dag_run",
    "dag_version",
    "deadline",
    "import_error",
    "job",
    "log",
    "partitioned_asset_key_log",
    "revoked_token",
    "session",
    "task_instance",
    "task_instance_history",
    "task_reschedule",
    "task_state_store",
    "xcom",
)
"""Tables that grow."""
KEPT = ("_xcom_archive", "dag", "trigger")
"""Tables that do not grow, or that Airflow cleans itself; a `trigger` may have been watching for files for years."""
_FOUND = re.compile(r"Checking table (\S+)\s+Found ([0-9]+) rows")


class MetadataHook(BaseHook):
    """
    Hook that runs `airflow db clean` in its own process, because tasks themselves must not reach the database.

    :param address: address of Airflow's database.
    """

    def __init__(self, address: URL) -> None:
        super().__init__()
        self.address = address

    def clean(self, before: datetime, *, dry_run: bool = False) -> dict[str, int]:
        """
        Remove old rows permanently; the last scheduled run of each DAG is kept.

        :param before: rows from before this instant are removed.
        :param dry_run: only count.
        :return: the count `rows`; dependent rows, such as the tasks of a run, are only counted if they are old
            themselves.
        :raises RuntimeError: a table could not be cleaned; the log has the reason.
        """
        line = [sys.executable, "-P", "-m", "airflow", "db", "clean", "--yes", "--skip-archive"]
        line += ["--error-on-cleanup-failure", "--batch-size", str(BATCH_ROWS), "--tables", ",".join(TABLES)]
        line += ["--clean-before-timestamp", before.isoformat(), *(["--dry-run"] if dry_run else [])]
        done = subprocess.run(  # noqa: S603 - Airflow's command, without any input from outside
            line, env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        if done.returncode:
            self.log.error("%s", done.stdout)
            raise RuntimeError(f"airflow db clean exited with {done.returncode}; see its output above")
        verb, total = "would be removed" if dry_run else "removed", 0
        for table, found in _FOUND.findall(done.stdout):
            total += int(found)
            if found != "0":
                self.log.info("%s: %s rows %s", table, found, verb)
        self.log.info("%d rows from before %s %s", total, before, verb)
        return {"rows": total}

    def _environment(self) -> dict[str, str]:
        """Return the environment of the process: the task's, with the real address of the database."""
        address = self.address.render_as_string(hide_password=False)
        environment = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address}
        environment.pop("AIRFLOW__CORE__SQL_ALCHEMY_CONN", None)
        return environment

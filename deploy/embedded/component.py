"""Entry point of a component under supervisord: ends the leftovers of a dead predecessor, then becomes the program.

A component that was killed leaves processes behind that hold its ports and its tasks; they are ended before a new one
starts.

Tasks are forked from the scheduler, so they need not load again what it has loaded, which saves a training four
seconds. Only libraries are preloaded, because our own code may change while the platform is running.

Scheduler, its tasks and the DAG processor yield to the API server and the database, so that calls are answered while
tasks keep all cores busy.

At startup, millions of objects are created that live as long as the process; the garbage collector would look at them
again and again, for a fifth of the time.
"""

import gc
import os
import runpy
import sys
from importlib import import_module
from pathlib import Path

from deploy.embedded.cluster import DATABASE, Cluster
from deploy.embedded.processes import sweep

ARGUMENTS = {
    "api-server": [],
    "scheduler": ["--skip-serve-logs"],  # logs are files on this machine, a log server would only occupy a port
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}

GARBAGE_COLLECTION = (50_000, 20, 100)
"""Thresholds; Python's are 700, 10 and 10."""
NICENESS = {"scheduler": 5, "dag-processor": 5}
"""Priority on the processor below that of the others, as of `nice`; child processes inherit it."""
PRELOADED = {"scheduler": ["deltalake", "httpx", "mlflow.pyfunc", "pyarrow.dataset", "surprise"]}


def command(component: str) -> list[str]:
    """Return the command line of a component; `-P` keeps the working directory off the import path."""
    return [sys.executable, "-P", "-m", "airflow", component, *ARGUMENTS[component]]


def main(component: str) -> None:
    """Replace this process with the component."""
    ended = sweep(os.environ["QUARTET_INSTANCE"], component, patience_seconds=1)
    if ended:
        print(f"ended {ended} processes left over from an earlier {component}", flush=True)
    if component == DATABASE:
        cluster = Cluster(Path(os.environ["QUARTET_HOME"]))
        cluster.make_ready()
        line = cluster.command()
        os.execv(line[0], line)
    line = command(component)
    os.nice(NICENESS.get(component, 0))
    gc.set_threshold(*GARBAGE_COLLECTION)
    for library in PRELOADED.get(component, ()):
        import_module(library)
    gc.freeze()  # memory that forked tasks share is not copied for the garbage collector's marks
    sys.argv = line[line.index("airflow") :]
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])

"""What supervisord starts: empties the place of a component that died, then becomes Airflow.

A component that was killed leaves processes that hold its ports and its tasks; they go before a new one starts.
"""

import os
import sys

from deploy.embedded.processes import sweep

ARGUMENTS = {
    "api-server": [],
    "scheduler": ["--skip-serve-logs"],  # logs are files on this machine; a log server would only take a port
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}


def command(component: str) -> list[str]:
    """Give the command line of a component; `-P` keeps the working directory off the import path."""
    return [sys.executable, "-P", "-m", "airflow", component, *ARGUMENTS[component]]


def main(component: str) -> None:
    """Replace this process by the component."""
    ended = sweep(os.environ["QUARTET_INSTANCE"], component, patience_seconds=1)
    if ended:
        print(f"ended {ended} processes that an earlier {component} had left behind", flush=True)
    line = command(component)
    os.execv(line[0], line)


if __name__ == "__main__":
    main(sys.argv[1])

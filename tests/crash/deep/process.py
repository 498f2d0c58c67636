"""Run all steps of a day of song plays in this process, as `python -m tests.crash.deep.process FOLDER`; for strace."""

import sys
from pathlib import Path

from include.core.errors import NothingToDoError
from tests.crash.scenarios.songs import Songs

if __name__ == "__main__":
    scenario, folder = Songs(), Path(sys.argv[1])
    for step in scenario.steps:
        try:
            scenario.run(folder, step, {})
        except NothingToDoError:
            continue

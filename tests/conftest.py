"""Fixtures that all tests share. The environment is set before Airflow is imported: no test touches a home of yours."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

PREFIXES = ("AIRFLOW_", "AWS_", "MLFLOW_", "QUARTET_")
KEPT = ("QUARTET_TEST_", "QUARTET_REAL_DATA", "MOVIELENS_100K")
_AIRFLOW_HOME = tempfile.mkdtemp(prefix="quartet-airflow-")  # one for each worker of pytest-xdist
atexit.register(shutil.rmtree, _AIRFLOW_HOME, ignore_errors=True)

for _name in [name for name in os.environ if name.startswith(PREFIXES) and not name.startswith(KEPT)]:
    del os.environ[_name]
os.environ |= {
    "AIRFLOW_HOME": _AIRFLOW_HOME,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AWS_EC2_METADATA_DISABLED": "true",  # no look for credentials in the network
    "QUARTET_HOME": f"{_AIRFLOW_HOME}/quartet",
}

from include.core.settings import Settings  # noqa: E402

Settings.model_config["env_file"] = None  # before the classes that inherit it are made

from deploy.settings import variables  # noqa: E402

for _name in variables() & os.environ.keys() - {"QUARTET_HOME"}:
    if not _name.startswith(KEPT):
        del os.environ[_name]

settings.register_profile("quartet", deadline=None)  # how long an example takes says more about the machine
settings.load_profile("quartet")

pytest_plugins = [
    "tests.support.collector",
    "tests.support.coverage",
    "tests.support.services",
    "tests.support.speed",
    "tests.support.web",
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty `QUARTET_HOME`; the storage is its folder `data`."""
    monkeypatch.setenv("QUARTET_HOME", str(tmp_path))
    return tmp_path

"""An instance in the test's own folder."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.cluster import Cluster
from deploy.embedded.instance import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """Return an instance whose home exists; nothing is running."""
    home = tmp_path / "home"
    instance = Instance(home, 18_080, f"file://{home}/data")
    instance.make_folders()
    return instance


@pytest.fixture(scope="session")
def created_cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Return a PostgreSQL with nothing in it, to be copied."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.create()
    return cluster


@pytest.fixture
def cluster(instance: Instance, created_cluster: Cluster) -> Iterator[Cluster]:
    """Yield the PostgreSQL of the instance; it is created and not running."""
    found = Cluster(instance.home)
    subprocess.run(["cp", "-a", created_cluster.data, found.data], check=True)
    yield found
    if found.socket_folder.exists():
        found.socket_folder.rmdir()

"""Both engines; Spark has one session for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.support.songs.jobs import PARTITIONS, SETTINGS, Engine


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Yield a Spark session on a machine whose time zone is Tokyo's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        settings = SETTINGS | {"spark.local.dir": str(tmp_path_factory.mktemp("spark")), PARTITIONS: "2"}
        builder = SparkSession.builder
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture(params=["duckdb", "spark"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Return each engine."""
    return Engine(request.param, tmp_path, request.getfixturevalue("spark") if request.param == "spark" else None)

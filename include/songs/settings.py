"""Settings of the song plays: where the sources are, how long to wait for them, what the job may use."""

from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from include.core.settings import Settings, ZoneName
from include.songs.rules import MINROWS, REPORT_TIMEZONE

LOCATION = r"^$|^file:///.+|^https?://[^/?#]+[^?#]*$|^s3://[^/]+.*$"
HOSTS = r"^$|^[a-z0-9.-]+(,[a-z0-9.-]+)*$"
MEMORY = r"^[1-9][0-9]*[kmgt]$"

DOWNLOADS = "songs_downloads"
"""Airflow pool of the tasks that wait for the sources and download them."""

Engine = Literal["spark", "duckdb"]
EngineChoice = Literal["auto", "spark", "duckdb"]
"""`auto`: the size of the day decides."""


class SongSettings(Settings):
    """Settings of downloads, the job and its engines."""

    model_config = SettingsConfigDict(env_prefix="SONGS_")

    spins_base: str = Field(
        default="",
        pattern=LOCATION,
        description="folder of `spins-YYYY-MM-DD.snappy.parquet`: `http(s)://…`, `s3://bucket/…` or `file:///…`; "
        "if empty, no run is scheduled, and a run must name the folder",
    )
    listeners_base: str = Field(
        default="",
        pattern=LOCATION,
        description="folder of `listeners.snappy.parquet`: `http(s)://…`, `s3://bucket/…` or `file:///…`; "
        "if empty, a run must name the folder",
    )
    query_suffix: SecretStr = Field(
        default=SecretStr(""),
        description="query appended to addresses below the two folders that are HTTP, such as `?dl=1`; never shown, "
        "and not sent to a folder that only a run names",
    )
    redirect_hosts: str = Field(
        default="",
        pattern=HOSTS,
        description="hosts to which a source may redirect by HTTPS, besides its own, with commas between them; their "
        "subdomains are meant, too",
    )
    max_download_megabytes: float = Field(
        default=20_000, gt=0, description="largest size of a downloaded file, in millions of bytes, above 0"
    )
    download_minutes: float = Field(
        default=120, gt=0, le=700, description="minutes that one download may take, above 0, at most 700"
    )
    report_timezone: ZoneName = Field(
        default=REPORT_TIMEZONE, description="time zone of the days, the daily schedule and the dataset's times"
    )
    minrows: int = Field(default=MINROWS, ge=0, description="minimum number of rows of a valid dataset")
    start_date: date | None = Field(
        default=None, description="first day with a scheduled run; if empty, the day on which the DAG is switched on"
    )
    deadline_hours: float = Field(
        default=48, gt=0, description="hours that a run waits for a file before it fails, above 0"
    )
    poll_seconds: float = Field(
        default=60, ge=1, le=86_400, description="seconds between checks for a file, 1 to 86400"
    )
    lease_seconds: float = Field(
        default=120,
        ge=3,
        le=86_400,
        description="seconds after which another run may take a day whose run no longer renews its lease, 3 to 86400",
    )
    engine: EngineChoice = Field(
        default="auto", description="`spark`, `duckdb`, or `auto`: DuckDB for days of at most SONGS_AUTO_MEGABYTES"
    )
    auto_megabytes: float = Field(
        default=200, ge=0, description="largest spins file, in millions of bytes, for which `auto` chooses DuckDB"
    )
    memory_mb: int = Field(
        default=1024, ge=64, description="memory of DuckDB, in MB, 64 or more; the rest is spilled to temporary files"
    )
    spark_conn_id: str = Field(
        default="spark_default",
        min_length=1,
        description="Airflow connection of Spark, which names the master and the deploy mode",
    )
    driver_memory: str = Field(
        default="1g", pattern=MEMORY, description="memory of Spark's driver, such as `1g` or `512m`"
    )
    driver_cores: int = Field(default=1, ge=1, description="cores of Spark's driver, on a cluster")
    executor_memory: str = Field(
        default="2g", pattern=MEMORY, description="memory of an executor, such as `1g` or `512m`"
    )
    executor_cores: int = Field(default=1, ge=1, description="cores of an executor")
    num_executors: int = Field(default=1, ge=1, description="number of executors")
    shuffle_partitions: int | None = Field(
        default=None, ge=1, description="Spark's shuffle partitions; if empty, the size of the day decides"
    )

    @field_validator("query_suffix")
    @classmethod
    def _with_mark(cls, suffix: SecretStr) -> SecretStr:
        text = suffix.get_secret_value()
        return suffix if text.startswith("?") or not text else SecretStr(f"?{text}")

    @property
    def zone(self) -> ZoneInfo:
        """The reporting zone."""
        return ZoneInfo(self.report_timezone)

    @property
    def redirects(self) -> frozenset[str]:
        """The hosts to which a source may redirect, besides its own."""
        return frozenset(filter(None, self.redirect_hosts.split(",")))

    @property
    def spark_submit(self) -> dict[str, Any]:
        """Arguments of the operator that submits the job to Spark: the cluster, and the resources of the job."""
        conf = {"spark.driver.cores": self.driver_cores, "spark.sql.shuffle.partitions": self.shuffle_partitions}
        return {
            "conn_id": self.spark_conn_id,
            "driver_memory": self.driver_memory,
            "executor_memory": self.executor_memory,
            "executor_cores": self.executor_cores,
            "num_executors": self.num_executors,
            "conf": {name: str(value) for name, value in conf.items() if value is not None},
        }

    @property
    def deadline_seconds(self) -> float:
        """Seconds that a run waits for a file."""
        return self.deadline_hours * 3600

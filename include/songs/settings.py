"""Settings of the song plays: where spins and listeners come from, how long is waited, what the Spark job may use."""

from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from include.core.settings import Settings, ZoneName
from include.songs.rules import MINROWS, REPORT_TIMEZONE

LOCATION = r"^$|^file:///.+|^https?://[^/?#]+[^?#]*$|^s3://[^/]+.*$"
MEMORY = r"^[1-9][0-9]*[kmgt]$"


class SongSettings(Settings):
    """How a day's spins become the dataset and the counts."""

    model_config = SettingsConfigDict(env_prefix="SONGS_")

    spins_base: str = Field(
        default="",
        pattern=LOCATION,
        description="folder of `spins-YYYY-MM-DD.snappy.parquet`: `http(s)://…`, `s3://bucket/…` or `file:///…`; "
        "empty: a run fails",
    )
    listeners_base: str = Field(
        default="",
        pattern=LOCATION,
        description="folder of `listeners.snappy.parquet`: `http(s)://…`, `s3://bucket/…` or `file:///…`; "
        "empty: a run fails",
    )
    query_suffix: SecretStr = Field(
        default=SecretStr(""), description="what http addresses end with, such as `?dl=1`; it is never shown"
    )
    report_timezone: ZoneName = Field(
        default=REPORT_TIMEZONE, description="zone of the days, of the daily runs and of the dataset's times"
    )
    minrows: int = Field(default=MINROWS, ge=0, description="least rows of a dataset that is valid")
    start_date: date | None = Field(
        default=None, description="first day that gets a run by itself; empty: the day when it is switched on"
    )
    deadline_hours: float = Field(
        default=48, gt=0, description="how long a run waits for a file before it fails, in hours"
    )
    poll_seconds: float = Field(default=60, gt=0, le=86_400, description="seconds between two looks for a file")
    lease_seconds: float = Field(
        default=120,
        ge=3,
        le=86_400,
        description="seconds after which a day is free again whose run no longer says that it is alive, 3 to 86400",
    )
    engine: Literal["auto", "spark", "duckdb"] = Field(
        default="auto", description="`spark`, `duckdb`, or `auto`: DuckDB for days of at most SONGS_AUTO_MEGABYTES"
    )
    auto_megabytes: float = Field(
        default=200, ge=0, description="spins file, in millions of bytes, up to which `auto` takes DuckDB"
    )
    memory_mb: int = Field(
        default=1024, ge=64, description="memory of DuckDB, in MB; what does not fit goes to temporary files"
    )
    spark_conn_id: str = Field(
        default="spark_default",
        min_length=1,
        description="Airflow connection of Spark; it says where the job runs (master, deploy mode)",
    )
    driver_memory: str = Field(default="1g", pattern=MEMORY, description="memory of Spark's driver, as `1g` or `512m`")
    driver_cores: int = Field(default=1, ge=1, description="cores of Spark's driver, on a cluster")
    executor_memory: str = Field(default="2g", pattern=MEMORY, description="memory of an executor, as `1g` or `512m`")
    executor_cores: int = Field(default=1, ge=1, description="cores of an executor")
    num_executors: int = Field(default=1, ge=1, description="executors")
    shuffle_partitions: int | None = Field(
        default=None, ge=1, description="Spark's shuffle partitions; empty: as many as the day's size asks for"
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
    def spark_conf(self) -> dict[str, str]:
        """What Spark is told beside its memory and its executors."""
        found = {"spark.driver.cores": self.driver_cores, "spark.sql.shuffle.partitions": self.shuffle_partitions}
        return {name: str(value) for name, value in found.items() if value is not None}

    @property
    def deadline_seconds(self) -> float:
        """How long a run waits for a file."""
        return self.deadline_hours * 3600

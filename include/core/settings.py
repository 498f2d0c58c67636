"""Settings of the platform, and the base class of every workflow's settings.

Settings are environment variables. A `.env` file in the repository root is read too (`QUARTET_ENV_FILE` names another
file), but the environment takes precedence. `make docs` writes `.env.example` from these classes.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from include.core.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
ENV_FILE = Path(os.environ.get("QUARTET_ENV_FILE") or ROOT / ".env")


def _known_zone(name: str) -> str:
    with suppress(Exception):  # the type that ZoneInfo raises depends on the name
        return ZoneInfo(name).key
    raise ValueError("no such time zone")


ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""Name of a time zone that this machine knows, such as `America/New_York`."""


class Settings(BaseSettings):
    """Base class of all settings; reads the environment and `.env`. An empty value means the default."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    @classmethod
    def load(cls, **given: Any) -> Self:
        """
        Read and validate all settings of this class.

        Args:
            given: field name → value; takes precedence over the environment.

        Raises:
            SettingsError: a value is not allowed; one line for each such variable.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError("\n".join(cls._explain(details) for details in error.errors())) from None

    def check(self) -> None:
        """
        Run the checks that are too slow for every load, such as imports; called once, before the platform starts.

        Raises:
            SettingsError: a value is not allowed.
        """

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of the environment variable behind *field*."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def _explain(cls, error: Any) -> str:
        field = str(error["loc"][0]) if error["loc"] else ""
        name = cls.variable(field) if field in cls.model_fields else field
        known = {cls.variable(each).lower(): each for each in cls.model_fields}
        field = known.get(name.lower(), field)
        described = cls.model_fields.get(field)
        expected = described.description if described else ""
        found = "" if described and described.annotation is SecretStr else f"={error['input']!r}"
        return f"{name.upper()}{found} is not allowed: {error['msg']}. Expected: {expected}"


class PlatformSettings(Settings):
    """Settings that all workflows share: where data is stored and how the platform behaves."""

    model_config = SettingsConfigDict(env_prefix="QUARTET_")

    home: Path = Field(
        default=ROOT / ".quartet",
        description="folder of all state in embedded mode; a relative path is resolved against the repository root",
    )
    port: int = Field(default=8080, ge=1, le=65535, description="port of the web UI and the APIs, 1 to 65535")
    mlflow_port: int = Field(default=5000, ge=1, le=65535, description="port of `make mlflow`, 1 to 65535")
    storage: str = Field(
        default="",
        description="root URL of all data, `file:///…` or `s3://bucket/prefix`; if empty, the folder `data` below "
        "QUARTET_HOME",
        pattern=r"^$|^file:///.+|^s3://[^/]+(/.*)?$",
    )
    poll_seconds: float = Field(
        default=0.5, gt=0, le=3600, description="seconds between checks for new files, above 0, at most 3600"
    )
    task_retries: int = Field(
        default=8,
        ge=0,
        le=100,
        description="retries of a failed task, 0 to 100; each waits twice as long as the last, ten minutes at most: "
        "by default twenty to thirty minutes in all",
    )
    retry_seconds: float = Field(
        default=5, ge=0, le=86_400, description="seconds from the failure of a task to its first retry, 0 to 86400"
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default=["127.0.0.1", "localhost"],
        min_length=1,
        description="host names that the web server answers to besides 127.0.0.1 and localhost, separated by commas; "
        "`*` allows any",
    )
    mlflow_tracking_uri: str = Field(
        default="",
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow's tracking server or database; if empty, a database on the server of QUARTET_DATABASE_URL",
    )
    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="PostgreSQL server of the databases of Airflow, MLflow and the articles in embedded mode, such as "
        "`postgresql://user:password@host/quartet`; their names begin with its path; if empty, a PostgreSQL of its own "
        "below QUARTET_HOME",
    )
    otel_endpoint: str = Field(
        default="",
        pattern=r"^$|^https?://[^\s/?#]+[^\s?#]*$",
        description="OpenTelemetry collector that receives metrics over HTTP, such as `http://collector:4318`; "
        "if empty, no metrics are sent",
    )
    deadline_minutes: float = Field(
        default=120,
        gt=0,
        le=1_000_000,
        description="minutes after which an unfinished run raises an alert; workflows that may take longer have their "
        "own limit",
    )
    notify_url: SecretStr = Field(
        default=SecretStr(""),
        description="Apprise URLs that are notified of failed runs and missed deadlines, such as "
        "`mailto://user:password@example.org`, separated by spaces or commas; never shown; if empty, nobody is "
        "notified",
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return (ROOT / home.expanduser()).resolve()

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, hosts: object) -> object:
        return [host.strip() for host in hosts.split(",") if host.strip()] if isinstance(hosts, str) else hosts

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value():
            from sqlalchemy import make_url  # DAG files load this module, and no database
            from sqlalchemy.exc import ArgumentError

            try:
                driver = make_url(url.get_secret_value()).drivername
            except (ArgumentError, ValueError):  # their messages contain the password
                raise ValueError("it is not a URL") from None
            if driver.partition("+")[0] not in ("postgresql", "postgres"):
                raise ValueError("the URL does not begin with postgresql://")
        return url

    @field_validator("notify_url")
    @classmethod
    def _each_has_a_scheme(cls, urls: SecretStr) -> SecretStr:
        if wrong := [number for number, url in enumerate(_urls_of(urls), start=1) if not _WITH_SCHEME.match(url)]:
            raise ValueError(f"URL number {wrong[0]} does not begin with a scheme such as json://")
        return urls

    @property
    def storage_url(self) -> str:
        """Root URL of all data, without a trailing slash."""
        return (self.storage or f"file://{self.home}/data").rstrip("/")

    @property
    def registry_uri(self) -> str:
        """Address of the server or database that holds MLflow's runs and models."""
        if self.mlflow_tracking_uri:
            return self.mlflow_tracking_uri
        if url := self.database_url.get_secret_value():
            from include.core.database.server import database_address

            return database_address(url, "mlflow").render_as_string(hide_password=False)
        return f"sqlite:///{self.home}/mlflow.db"

    @property
    def notify_urls(self) -> list[str]:
        """Apprise URLs to notify, each of them secret."""
        return _urls_of(self.notify_url)


_WITH_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S")


def _urls_of(urls: SecretStr) -> list[str]:
    """Split a list of URLs; a comma within a URL, as in `mailto://…?to=a,b`, belongs to the URL."""
    return [url for url in re.split(r"\s+|,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)", urls.get_secret_value()) if url]

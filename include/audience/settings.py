"""Settings of the audience workflow: database servers, schemas, rules, labeling."""

import re
from pathlib import Path
from ssl import create_default_context
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict
from sqlalchemy import URL

from include.core.database.mariadb import with_authority, with_timeouts
from include.core.errors import BadDataError, SettingsError
from include.core.settings import ROOT, PlatformSettings, Settings, ZoneName

IDENTIFIER = re.compile(r"[A-Za-z0-9_$-]{1,64}", re.ASCII)
"""Name of a schema or a table: 1 to 64 letters, digits, `_`, `$` and `-`."""
RULES = Path(__file__).with_name("rules")
"""Folder of the shipped rules."""
SOURCE_MAP = Path(__file__).with_name("source_map.json")
"""The shipped source map."""
TiePolicy = Literal["drop", "keep"]
"""Treatment of an author with equally many rows in several panels."""
CONNECT_SECONDS = 10
"""Maximum seconds until a server has accepted a user."""


class UnknownSchemaError(BadDataError):
    """The schema does not exist, or is not allowed."""


class AudienceSettings(Settings):
    """Where posts are read, where results are written, and how posts are labelled."""

    model_config = SettingsConfigDict(env_prefix="AUDIENCE_")

    input_host: str = Field(
        default="",
        validation_alias="INPUT_HOST",
        description="MariaDB server of the source tables; if empty, SQLite, one file `<schema>.db` per schema",
    )
    input_port: int = Field(
        default=3306, ge=1, le=65535, validation_alias="INPUT_PORT", description="port of that server"
    )
    input_user: str = Field(default="", validation_alias="INPUT_USER", description="user on that server")
    input_password: SecretStr = Field(
        default=SecretStr(""), validation_alias="INPUT_PASSWORD", description="password of that user"
    )
    input_ssl_ca: str = Field(
        default="",
        validation_alias="INPUT_SSL_CA",
        description="file (PEM) with the authorities that sign that server's certificate, which is then verified; if "
        "empty, TLS is used without verification, and only if the server offers it",
    )
    input_schema: str = Field(
        default="wh_demo", validation_alias="INPUT_SCHEMA", description="source schema of a task that does not name one"
    )
    output_host: str = Field(
        default="",
        validation_alias="OUTPUT_HOST",
        description="MariaDB server of the results; if empty, SQLite, one file `<schema>.db` per schema",
    )
    output_port: int = Field(
        default=3306, ge=1, le=65535, validation_alias="OUTPUT_PORT", description="port of that server"
    )
    output_user: str = Field(default="", validation_alias="OUTPUT_USER", description="user on that server")
    output_password: SecretStr = Field(
        default=SecretStr(""), validation_alias="OUTPUT_PASSWORD", description="password of that user"
    )
    output_ssl_ca: str = Field(
        default="",
        validation_alias="OUTPUT_SSL_CA",
        description="file (PEM) with the authorities that sign that server's certificate, which is then verified; if "
        "empty, TLS is used without verification, and only if the server offers it",
    )
    output_schema: str = Field(
        default="audience_result", validation_alias="OUTPUT_SCHEMA", description="schema of the results"
    )
    allowed_schemas: Annotated[list[str], NoDecode] = Field(
        default=[], description="other schemas that a task may write to, separated by commas"
    )
    data_dir: str = Field(
        default="", description="folder of the SQLite files; if empty, `data/audience` below QUARTET_HOME"
    )
    rules_dir: Path = Field(
        default=RULES, description="folder of the rules, with files `<model type>/<predict type>.csv`"
    )
    preview_seconds: int = Field(
        default=60, ge=1, le=600, description="maximum duration of a preview of rules that the API answers, in seconds"
    )
    source_map: Path = Field(default=SOURCE_MAP, description="JSON file that assigns sources to result tables")
    window_hours: int = Field(default=6, ge=1, le=8784, description="length of a labeling window in hours, 1 to 8784")
    batch_rows: int = Field(
        default=300_000, ge=1, description="approximate rows of a batch, labelled by one Airflow task; 1: one window"
    )
    max_batches: int = Field(default=32, ge=1, le=1024, description="maximum number of batches of a run, 1 to 1024")
    parallel: int = Field(default=2, ge=1, le=64, description="batches of a run labelled at the same time, 1 to 64")
    deadline_minutes: float = Field(
        default=720, gt=0, le=1_000_000, description="minutes after which an unfinished task raises an alert"
    )
    answer_minutes: float = Field(
        default=15,
        ge=0.1,
        le=720,
        description="minutes to wait for an answer of a MariaDB server before a task fails and is retried later, "
        "0.1 to 720",
    )
    max_unreadable_ratio: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="maximum share of posts that are unreadable, if several are, before a run fails, 0 to 1",
    )
    tie_policy: TiePolicy = Field(
        default="drop",
        description="authors with equally many rows in several panels: `drop` them, or `keep` them in each panel",
    )
    time_zone: ZoneName = Field(default="Asia/Taipei", description="time zone of all times in requests and responses")
    list_length: int = Field(default=5, ge=1, le=1000, description="tasks in the task list, 1 to 1000")
    sample_size: int = Field(default=50, ge=1, le=10_000, description="rows in a sample of a table, 1 to 10000")
    cron: str = Field(
        default="never", description="cron expression that starts `audience_schemas`; `never`: only by hand"
    )
    cron_schemas: Annotated[list[str], NoDecode] = Field(
        default=[], description="source schemas that `audience_schemas` labels, separated by commas"
    )

    @field_validator("allowed_schemas", "cron_schemas", mode="before")
    @classmethod
    def _split(cls, names: object) -> object:
        return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names

    @field_validator("input_schema", "output_schema", "allowed_schemas", "cron_schemas")
    @classmethod
    def _identifiers(cls, names: str | list[str]) -> str | list[str]:
        for name in [names] if isinstance(names, str) else names:
            if not IDENTIFIER.fullmatch(name):
                raise ValueError(f"{name!r} is not a schema name")
        return names

    @field_validator("input_ssl_ca", "output_ssl_ca")
    @classmethod
    def _certificates(cls, name: str) -> str:
        path = ROOT / Path(name).expanduser()
        if name and not path.is_file():
            raise ValueError("no such file")
        return str(path) if name else ""

    @field_validator("rules_dir", "source_map")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return (ROOT / path.expanduser()).resolve()

    @property
    def zone(self) -> ZoneInfo:
        """Time zone of requests and responses."""
        return ZoneInfo(self.time_zone)

    @property
    def output_schemas(self) -> set[str]:
        """All schemas that tasks may write to."""
        return {self.output_schema, *self.allowed_schemas}

    def check_output(self, schema: str) -> None:
        """Raise `UnknownSchemaError` unless tasks may write to *schema*."""
        if schema not in self.output_schemas:
            raise UnknownSchemaError(f"output schema {schema} is not allowed, see AUDIENCE_ALLOWED_SCHEMAS")

    def check(self) -> None:
        """Check that the files of certificates hold some."""
        for field in ("input_ssl_ca", "output_ssl_ca"):
            try:
                if file := getattr(self, field):
                    create_default_context(cafile=file)
            except OSError as error:
                raise SettingsError(f"{self.variable(field)}: certificates (PEM) were expected: {error}") from None

    def source_url(self, schema: str) -> URL:
        """Return the address of a source schema."""
        return self._url("input", schema)

    def result_url(self, schema: str) -> URL:
        """Return the address of a result schema."""
        return self._url("output", schema)

    def without_secrets(self, text: str) -> str:
        """Return *text* with the passwords replaced by `***`."""
        secrets = {each.get_secret_value() for each in (self.input_password, self.output_password)} - {""}
        for secret in sorted(secrets, key=len, reverse=True):  # one may contain the other
            text = text.replace(secret, "***")
        return text

    def _url(self, side: Literal["input", "output"], schema: str) -> URL:
        host, port, user, password, authority = (
            getattr(self, f"{side}_{name}") for name in ("host", "port", "user", "password", "ssl_ca")
        )
        if not host:
            folder = (
                Path(self.data_dir).expanduser() if self.data_dir else PlatformSettings.load().home / "data/audience"
            )
            return URL.create("sqlite", database=str(ROOT / folder / f"{schema}.db"))
        url = URL.create(
            "mariadb+pymysql",
            username=user or None,
            password=password.get_secret_value() or None,
            host=host,
            port=port,
            database=schema,
            query={"charset": "utf8mb4"},
        )
        if authority:
            url = with_authority(url, authority)
        return with_timeouts(url, CONNECT_SECONDS, round(self.answer_minutes * 60))

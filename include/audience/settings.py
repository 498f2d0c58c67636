"""Settings of the audience workflow: servers, schemas, how rows are labelled."""

import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict
from sqlalchemy import URL

from include.audience import rules, source_map
from include.core.errors import BadDataError
from include.core.settings import ROOT, PlatformSettings, Settings, ZoneName

IDENTIFIER = re.compile(r"[A-Za-z0-9_$-]{1,64}", re.ASCII)
"""Names of schemas and tables: letters, digits, `_`, `$`, `-`; 1 to 64 of them."""
CONNECT_SECONDS = 10


class UnknownSchemaError(BadDataError):
    """There is no such schema, or it is not allowed."""


class AudienceSettings(Settings):
    """Where the rows are read and written, and how they are labelled."""

    model_config = SettingsConfigDict(env_prefix="AUDIENCE_")

    input_host: str = Field(
        default="",
        validation_alias="INPUT_HOST",
        description="MariaDB server of the source tables; empty: SQLite, a file `<schema>.db` a schema",
    )
    input_port: int = Field(default=3306, ge=1, le=65535, validation_alias="INPUT_PORT", description="its port")
    input_user: str = Field(default="", validation_alias="INPUT_USER", description="its user")
    input_password: SecretStr = Field(
        default=SecretStr(""), validation_alias="INPUT_PASSWORD", description="its password"
    )
    input_schema: str = Field(
        default="wh_demo", validation_alias="INPUT_SCHEMA", description="source schema of a task that names none"
    )
    output_host: str = Field(
        default="",
        validation_alias="OUTPUT_HOST",
        description="MariaDB server of the results; empty: SQLite, a file `<schema>.db` a schema",
    )
    output_port: int = Field(default=3306, ge=1, le=65535, validation_alias="OUTPUT_PORT", description="its port")
    output_user: str = Field(default="", validation_alias="OUTPUT_USER", description="its user")
    output_password: SecretStr = Field(
        default=SecretStr(""), validation_alias="OUTPUT_PASSWORD", description="its password"
    )
    output_schema: str = Field(
        default="audience_result", validation_alias="OUTPUT_SCHEMA", description="schema of the results"
    )
    allowed_schemas: Annotated[list[str], NoDecode] = Field(
        default=[], description="further schemas that a task may write to, separated by commas"
    )
    data_dir: str = Field(
        default="", description="folder of the SQLite files; empty: folder `data/audience` below QUARTET_HOME"
    )
    rules_dir: Path = Field(
        default=rules.DEFAULT, description="folder of the rules, `<model type>/<predict type>.csv` each"
    )
    source_map: Path = Field(
        default=source_map.DEFAULT, description="JSON file: which sources go to which result table"
    )
    window_hours: int = Field(
        default=6, ge=1, le=8784, description="length of the windows that are labelled one by one, in hours, 1 to 8784"
    )
    batch_rows: int = Field(default=300_000, ge=1, description="rows of a label task, about; 1: a window a task")
    max_batches: int = Field(default=32, ge=1, le=1024, description="most label tasks of a run, 1 to 1024")
    parallel: int = Field(default=2, ge=1, le=64, description="label tasks of a run at a time, 1 to 64")
    deadline_minutes: float = Field(
        default=720, gt=0, le=1_000_000, description="minutes after which a task that has not ended raises an alert"
    )
    tie_policy: Literal["drop", "keep"] = Field(
        default="drop", description="an author with equally many rows in several panels: `drop`, or `keep` in each"
    )
    time_zone: ZoneName = Field(default="Asia/Taipei", description="zone of all times in requests and answers")
    list_length: int = Field(default=5, ge=1, le=1000, description="tasks that the list shows, 1 to 1000")
    sample_size: int = Field(default=50, ge=1, le=10_000, description="rows of a sample from a table, 1 to 10000")
    cron: str = Field(
        default="never", description="when `audience_schemas` starts: a cron expression; `never`: by hand only"
    )
    cron_schemas: Annotated[list[str], NoDecode] = Field(
        default=[], description="source schemas that `audience_schemas` makes a task for, separated by commas"
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

    @field_validator("rules_dir", "source_map")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return (ROOT / path.expanduser()).resolve()

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of requests and answers."""
        return ZoneInfo(self.time_zone)

    @property
    def output_schemas(self) -> set[str]:
        """All schemas that a task may write to."""
        return {self.output_schema, *self.allowed_schemas}

    def check_output(self, schema: str) -> None:
        """Raise `UnknownSchemaError` for a schema that no task may write to."""
        if schema not in self.output_schemas:
            raise UnknownSchemaError(f"output schema {schema} is not allowed, see AUDIENCE_ALLOWED_SCHEMAS")

    def source_url(self, schema: str) -> URL:
        """Address of a source schema."""
        return self._url(self.input_host, self.input_port, self.input_user, self.input_password, schema)

    def result_url(self, schema: str) -> URL:
        """Address of a result schema."""
        return self._url(self.output_host, self.output_port, self.output_user, self.output_password, schema)

    def without_secrets(self, text: str) -> str:
        """Replace the passwords in *text*."""
        secrets = {each.get_secret_value() for each in (self.input_password, self.output_password)} - {""}
        for secret in sorted(secrets, key=len, reverse=True):  # one may be part of the other
            text = text.replace(secret, "***")
        return text

    def _url(self, host: str, port: int, user: str, password: SecretStr, schema: str) -> URL:
        if not host:
            folder = (
                Path(self.data_dir).expanduser() if self.data_dir else PlatformSettings.load().home / "data/audience"
            )
            return URL.create("sqlite", database=str(ROOT / folder / f"{schema}.db"))
        return URL.create(
            "mariadb+pymysql",
            username=user or None,
            password=password.get_secret_value() or None,
            host=host,
            port=port,
            database=schema,
            query={"charset": "utf8mb4", "connect_timeout": str(CONNECT_SECONDS)},
        )

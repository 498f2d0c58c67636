"""The source table of the demo."""

from rich.console import Console
from sqlalchemy import Engine, func, inspect, select
from sqlalchemy.exc import DBAPIError

from deploy.demo.audience import generate
from include.audience.settings import AudienceSettings
from include.core.database.engine import open_engine
from include.core.errors import BadDataError

ROWS = 20_000


def provide(console: Console) -> None:
    """
    Write the table into the source schema, unless it is there.

    A schema on a server is left alone unless it is empty or holds only generated posts.
    """
    settings = AudienceSettings.load()
    try:
        with open_engine(settings.source_url(settings.input_schema)) as engine:
            if is_generated(engine) and not (settings.input_host and _has_other_tables(engine)):
                if _rows(engine) != ROWS:
                    generate.write(engine, generate.rows(ROWS))
                return
            reason = "has posts or tables that the demo did not generate"
    except (DBAPIError, BadDataError) as error:
        if not settings.input_host:
            raise
        reason = settings.without_secrets(f"cannot be used: {str(error).splitlines()[0]}")
    console.print(f"{settings.input_schema} on {settings.input_host} {reason}; the demo leaves audience labeling out")


def is_there() -> bool:
    """Check whether the source schema has the table."""
    settings = AudienceSettings.load()
    try:
        with open_engine(settings.source_url(settings.input_schema), read_only=True) as engine:
            return is_generated(engine) and _rows(engine) == ROWS
    except (DBAPIError, BadDataError):
        if not settings.input_host:
            raise
        return False


def expected() -> int:
    """Return the number of posts that a task over the default time range receives."""
    posts = generate.rows(ROWS)
    within = posts["post_time"].between("2020-01-01", "2021-01-01")
    return int((within & posts["author"].notna() & posts["s_id"].notna()).sum())


def is_generated(engine: Engine) -> bool:
    """Check whether the schema has no source table, or one with only generated posts."""
    table = generate.source_table()
    if not inspect(engine).has_table(table.name):
        return True
    with engine.connect() as connection:
        return connection.execute(select(table.c.id).where(table.c.id.not_like("%_GEN")).limit(1)).first() is None


def _rows(engine: Engine) -> int:
    table = generate.source_table()
    if not inspect(engine).has_table(table.name):
        return -1
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _has_other_tables(engine: Engine) -> bool:
    return bool({*inspect(engine).get_table_names()} - {generate.source_table().name})

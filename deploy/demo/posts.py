"""
A source table of generated posts, for the demo and for trying larger sizes.

python -m deploy.demo.posts                                  20,000 rows into the schema INPUT_SCHEMA
python -m deploy.demo.posts --rows 1000000 --schema wh_big   a million into another one
"""

import argparse
import sys

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Engine, func, inspect, select
from sqlalchemy.exc import DBAPIError

from include.audience import generate
from include.audience.settings import IDENTIFIER, AudienceSettings
from include.core.database.engine import open_engine
from include.core.errors import BadDataError

ROWS = 20_000


def provide(console: Console) -> None:
    """
    Make sure that the source schema has the demo's table.

    A schema on a server is left alone, unless it is empty or holds only what was made here.
    """
    settings = AudienceSettings.load()
    try:
        with open_engine(settings.source_url(settings.input_schema)) as engine:
            if _is_ours(engine) and not (settings.input_host and _has_other_tables(engine)):
                if _rows(engine) != ROWS:
                    generate.write(engine, generate.rows(ROWS))
                return
            why = "has posts or tables that were not made by the demo"
    except (DBAPIError, BadDataError) as error:
        if not settings.input_host:
            raise
        why = settings.without_secrets(f"cannot be used: {str(error).splitlines()[0]}")
    console.print(f"{settings.input_schema} on {settings.input_host} {why}; the demo leaves audience labeling out")


def is_there() -> bool:
    """Tell whether the source schema has the demo's table."""
    settings = AudienceSettings.load()
    try:
        with open_engine(settings.source_url(settings.input_schema), read_only=True) as engine:
            return _is_ours(engine) and _rows(engine) == ROWS
    except (DBAPIError, BadDataError):
        if not settings.input_host:
            raise
        return False


def expected() -> int:
    """Count the posts of the demo that a task over the default range receives."""
    posts = generate.rows(ROWS)
    within = posts["post_time"].between("2020-01-01", "2021-01-01")
    return int((within & posts["author"].notna() & posts["s_id"].notna()).sum())


def main(arguments: list[str] | None = None) -> int:
    """Write a table of any size; 1 if there is one that was not made here."""
    settings = AudienceSettings.load()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--schema", default=settings.input_schema, help="default: INPUT_SCHEMA")
    asked = parser.parse_args(arguments)
    if not IDENTIFIER.fullmatch(asked.schema) or asked.rows < 0:
        parser.error("a schema name and a number of rows from 0 were expected")
    console = Console()
    with open_engine(settings.source_url(asked.schema)) as engine, Progress(console=console) as progress:
        if not _is_ours(engine):
            console.print(f"{asked.schema}.ts_page_content is there and was not made here; it is left alone")
            return 1
        shown = progress.add_task(f"posts into {asked.schema}", total=asked.rows)
        frame = generate.rows(asked.rows, asked.seed)
        generate.write(engine, frame, progress=lambda done: progress.update(shown, completed=done))
    return 0


def _rows(engine: Engine) -> int:
    table = generate.source_table()
    if not inspect(engine).has_table(table.name):
        return -1
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _has_other_tables(engine: Engine) -> bool:
    return bool({*inspect(engine).get_table_names()} - {generate.source_table().name})


def _is_ours(engine: Engine) -> bool:
    """Tell whether there is no table, or one with only generated posts."""
    table = generate.source_table()
    if not inspect(engine).has_table(table.name):
        return True
    with engine.connect() as connection:
        return connection.execute(select(table.c.id).where(table.c.id.not_like("%_GEN")).limit(1)).first() is None


if __name__ == "__main__":
    sys.exit(main())

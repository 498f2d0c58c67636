"""
Write a source table of generated posts, of any size.

python -m deploy.demo.posts                                  20,000 rows into the schema INPUT_SCHEMA
python -m deploy.demo.posts --rows 1000000 --schema wh_big   a million rows into another schema
"""

import argparse
import sys

from rich.console import Console
from rich.progress import Progress

from deploy.demo.audience import generate, posts
from include.audience.settings import IDENTIFIER, AudienceSettings
from include.core.database.engine import open_engine


def main(arguments: list[str] | None = None) -> int:
    """Write the table; return 1 if the schema has one that was not generated."""
    settings = AudienceSettings.load()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=posts.ROWS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--schema", default=settings.input_schema, help="default: INPUT_SCHEMA")
    options = parser.parse_args(arguments)
    if not IDENTIFIER.fullmatch(options.schema) or options.rows < 0:
        parser.error("a schema name and a number of rows, 0 or more, were expected")
    console = Console()
    with open_engine(settings.source_url(options.schema)) as engine, Progress(console=console) as progress:
        if not posts.is_generated(engine):
            console.print(f"{options.schema}.ts_page_content was not generated here and is left alone")
            return 1
        bar = progress.add_task(f"posts into {options.schema}", total=options.rows)
        rows = generate.rows(options.rows, options.seed)
        generate.write(engine, rows, progress=lambda done: progress.update(bar, completed=done))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Work for the stack whose results are known beforehand."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from deploy.demo.articles import gazette
from deploy.demo.songs import generate, music
from tests.compose.stack import Stack

SOURCE = "/var/lib/quartet/source"


def put_day(stack: Stack, day: date, folder: Path) -> music.Counts:
    """Write the sources of a day where the workers read them; return the expected counts."""
    spins, listeners = generate.make(day)
    for table, name in ((spins, f"spins-{day}.snappy.parquet"), (listeners, "listeners.snappy.parquet")):
        generate.write(table, folder / name)
        (folder / name).chmod(0o644)
        stack.compose("exec", "-T", "airflow-worker", "mkdir", "-p", SOURCE)
        stack.compose("cp", str(folder / name), f"airflow-worker:{SOURCE}/{name}")
    return music.expected(spins, listeners)


def day_conf(day: date, engine: str) -> dict[str, str]:
    """Return the params of a day whose sources `put_day` has written."""
    base = f"file://{SOURCE}"
    return {"day": f"{day}", "engine": engine, "spins_base": base, "listeners_base": base}


SERVE_GAZETTE = """
import os, socket, time
from deploy.demo.articles import gazette
os.environ["QUARTET_DEMO_HOST"] = socket.gethostbyname(socket.gethostname())
site = gazette.load()
with gazette.serve(site.articles) as address:
    print("gazette", address, site.end.isoformat(), gazette.events_url(), flush=True)
    time.sleep(7200)
"""


@contextmanager
def serve_gazette(stack: Stack) -> Iterator[dict[str, Any]]:
    """Serve the demo's news site while the block runs; yields the params of a run over it."""
    container = stack.compose(
        "--profile", "demo", "run", "--detach", "--rm", "--no-deps", "demo", "python", "-c", SERVE_GAZETTE
    )
    name = container.split()[-1]
    try:

        def announced() -> list[str] | None:
            shown = subprocess.run(["docker", "logs", name], capture_output=True, text=True).stdout
            return next((row.split() for row in shown.splitlines() if row.startswith("gazette ")), None)

        _, address, end, events = stack.wait(announced, 120, "the news site")
        yield {"run_at": end, "site_base_url": address, "ga_data_bucket": events, "days_of_data": gazette.DAYS}
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True)

"""Article recommendations: five million events through the whole platform, cold and warm, the API, the quality.

make bench, or: python benchmarks/articles.py [platform|writes|plain|quality] …

Needs the generator `make_snowplow_events.py` in the folder `tools` beside the real data (`QUARTET_REAL_DATA`), for
`writes` also a PostgreSQL server (`QUARTET_TEST_POSTGRES`, default the local one).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import httpx  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sqlalchemy import URL, create_engine, make_url, text  # noqa: E402

from benchmarks.support.load import load  # noqa: E402
from benchmarks.support.memory import PeakMemory  # noqa: E402
from benchmarks.support.platform import Platform, platform  # noqa: E402
from benchmarks.support.report import line  # noqa: E402
from include.articles.database import articles, models, recommendations, schema  # noqa: E402
from include.articles.newsrooms.base import Metadata  # noqa: E402
from include.core.databases import open_engine  # noqa: E402
from include.core.frames import read_frame  # noqa: E402

DATA = Path(os.environ.get("QUARTET_REAL_DATA") or ROOT.parent / "shared" / "data")
GENERATOR = DATA.parent / "tools" / "make_snowplow_events.py"
POSTGRES = make_url(os.environ.get("QUARTET_TEST_POSTGRES") or "postgresql+psycopg2://postgres@127.0.0.1:5432/postgres")
SITE, DAG = "washington-city-paper", "article_recs__washington_city_paper"
RUN_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
LARGE = {"days": 28, "users": 120_000, "articles": 4_000, "events": 5_000_000, "seed": 7}
SMALL = {"days": 28, "users": 40_000, "articles": 2_000, "events": 600_000, "seed": 11}
WARM_RUNS = 3


def generate(folder: Path, size: dict[str, int]) -> None:
    """Write an archive of events with its truth."""
    options = [text for name, value in size.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, str(GENERATOR), "--out", str(folder), *options, "--oracle"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def preload(url: URL, folder: Path) -> None:
    """Store the articles, so that no page is asked for."""
    rows = map(json.loads, (folder / "truth" / "articles.jsonl").read_text().splitlines())
    found = [
        Metadata(row["external_id"], row["title"], row["path"], datetime.fromisoformat(row["published_at"]))
        for row in rows
    ]
    with open_engine(url) as engine:
        schema.upgrade(engine)
        articles.upsert(engine, SITE, found, RUN_AT)


def recommend(running: Platform, run_at: datetime) -> tuple[float, str, dict[str, int]]:
    """Run the DAG; give the seconds from the call until both models are served, name and models of the run."""
    running.wait(running.idle)
    began = time.monotonic()
    body = {"logical_date": None, "conf": {"run_at": run_at.isoformat(), "metadata_refresh_hours": 0}}
    path = f"/api/v2/dags/{DAG}/dagRuns"
    run_id = running.post(path, body)["dag_run_id"]
    tasks = f"{path}/{run_id}/taskInstances"

    def served() -> bool:
        found = {each["task_id"]: each["state"] for each in running.get(tasks)["task_instances"]}
        if "failed" in found.values():
            raise RuntimeError(f"the run has failed: {found}")
        return found.get("save_predictions") == found.get("save_defaults") == "success"

    running.wait(served, 900, every=0.25)
    seconds = time.monotonic() - began
    ids = running.get(f"{tasks}/create_model/xcomEntries/return_value")["value"]
    running.wait(running.idle)
    return seconds, run_id, ids


def whole_platform(folder: Path) -> None:
    """Raw files to promoted models: cold, then with two new hours; the dwell against the oracle; the API."""
    late = [path for hour in (10, 11, 12) for path in folder.glob(f"enriched/good/2026/03/10/{hour}/*.gz")]
    objects = {path: path.read_bytes() for path in late}
    for path in objects:
        path.unlink()
    variables = {"ARTICLE_RECS_GA_DATA_BUCKET": f"file://{folder}", "ARTICLE_RECS_SITE_BASE_URL": "http://127.0.0.1:9"}
    with platform(**variables) as running:
        preload(make_url(f"sqlite:///{running.home}/data/articles.db"), folder)
        with PeakMemory(running) as memory:
            seconds, _, _ = recommend(running, RUN_AT - timedelta(hours=2))
        line("5,000,000 events, raw files to both models, cold", f"{seconds:.1f} s", "<= 240 s")
        line("the same, memory of a task process, peak", f"{memory.megabytes:.0f} MB", "<= 2,500 MB")
        times = []
        with PeakMemory(running) as memory:
            for _ in range(WARM_RUNS):
                for path, data in objects.items():
                    path.write_bytes(data)  # written again, an object is new
                seconds, run_id, ids = recommend(running, RUN_AT)
                times.append(seconds)
        what = f"{len(objects)} new objects, two hours"
        line(f"{what}, median of {WARM_RUNS}", f"{statistics.median(times):.1f} s", "<= 60 s, aim 45")
        line(f"{what}, slowest", f"{max(times):.1f} s", "<= 60 s")
        line("the same, memory of a task process, peak", f"{memory.megabytes:.0f} MB", "<= 2,500 MB")
        steps(running, run_id)
        [*_, interactions] = sorted((running.home / "data/articles" / SITE / "runs").glob("*/interactions.parquet"))
        compare_with_oracle(folder, read_frame(interactions))
        measure_api(running, ids["article"])


def steps(running: Platform, run_id: str) -> None:
    """Print how long each task of a run took."""
    tasks = running.get(f"/api/v2/dags/{DAG}/dagRuns/{run_id}/taskInstances")["task_instances"]
    shown = sorted(tasks, key=lambda task: task["start_date"])
    print("  tasks of the last run: " + ", ".join(f"{task['task_id']} {task['duration']:.1f} s" for task in shown))


def compare_with_oracle(folder: Path, found: pd.DataFrame) -> None:
    """Compare the dwell with the generator's, row for row; it filters neither readers nor articles."""
    key = ["client_id", "external_id", "session_date"]
    truth = pd.read_csv(folder / "truth" / "interactions.csv.gz", dtype={"external_id": str, "client_id": str})
    found = found.assign(
        client_id=found["client_id"].astype(str),
        external_id=found["external_id"].astype(str),
        session_date=found["session_date"].dt.strftime("%Y-%m-%d"),
    )
    kept = truth["client_id"].isin(found["client_id"]) & truth["external_id"].isin(found["external_id"])
    both = truth[kept].merge(found, on=key, how="outer", suffixes=("_truth", ""), indicator=True)
    same = (both["_merge"] == "both") & np.isclose(
        both["dwell_seconds"], both["dwell_seconds_truth"], atol=5e-4, rtol=0
    )
    line("dwell equal to the oracle's, rows", f"{same.sum():,} of {len(both):,}", "all")


def measure_api(running: Platform, model_id: int) -> None:
    """Ask for recommendations with a warm cache, then for lists that nobody asked for."""
    sources = [each["external_id"] for each in running.get(f"/articles/models/{model_id}/articles")["results"]]
    paths = [f"/articles/recs?site={SITE}&source_entity_id={each}&model_type=article&size=20" for each in sources[:200]]
    for path in paths:
        running.http.get(path).raise_for_status()
    found = load(running.port, paths)
    line("/articles/recs, 8 clients, warm cache, requests a second", f"{found.requests_per_second:.0f}", ">= 300")
    line("the same, p95", f"{found.p95_seconds * 1000:.0f} ms, {found.failures} failed", "<= 50 ms")
    misses = []
    with httpx.Client(base_url=running.url) as client:
        for source in sources[200:300]:
            began = time.perf_counter()
            client.get(f"/articles/recs?site={SITE}&source_entity_id={source}&model_type=article").raise_for_status()
            misses.append(time.perf_counter() - began)
    line("/articles/recs, not in the cache, median of 100", f"{statistics.median(misses) * 1000:.1f} ms", "<= 15 ms")


@contextmanager
def postgres() -> Iterator[URL]:
    """Make a database with a name of its own; drop it at the end."""
    name = f"qbench_{uuid.uuid4().hex}"
    engine = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield POSTGRES.set(database=name)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def writes() -> None:
    """80,000 recommendation rows into SQLite and PostgreSQL."""
    ids = [str(each) for each in range(4_000)]
    with tempfile.TemporaryDirectory() as folder, postgres() as server:
        for name, url in (("SQLite", make_url(f"sqlite:///{folder}/articles.db")), ("PostgreSQL", server)):
            times = []
            with open_engine(url) as engine:
                schema.upgrade(engine)
                articles.upsert(
                    engine, SITE, [Metadata(each, "t", f"/article/{each}/x", RUN_AT) for each in ids], RUN_AT
                )
                keys = np.array(list(articles.ids(engine, SITE, ids).values()))
                rows = pd.DataFrame({"source": np.repeat(ids, 20), "rank": np.tile(np.arange(1, 21), 4_000)})
                rows = rows.assign(article_id=keys[(rows.index // 20 + rows["rank"]) % 4_000], score=1 / rows["rank"])
                for number in range(3):
                    [model] = models.open_models(engine, SITE, f"run{number}", ["article"], RUN_AT, RUN_AT).values()
                    began = time.monotonic()
                    recommendations.write(engine, model, rows, RUN_AT)
                    models.promote(engine, model, RUN_AT)
                    times.append(time.monotonic() - began)
            line(f"80,000 rows into {name} and promoted, median of 3", f"{statistics.median(times):.1f} s", "<= 15 s")

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
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import httpx  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sqlalchemy import URL, make_url  # noqa: E402

from benchmarks.support import plain_articles  # noqa: E402
from benchmarks.support import recommendations as quality_of  # noqa: E402
from benchmarks.support.database import database  # noqa: E402
from benchmarks.support.load import load  # noqa: E402
from benchmarks.support.memory import PeakMemory  # noqa: E402
from benchmarks.support.platform import Platform, platform  # noqa: E402
from benchmarks.support.report import line, machine  # noqa: E402
from include.articles.database import articles, models, recommendations, schema  # noqa: E402
from include.articles.layout import RunFiles  # noqa: E402
from include.articles.models.training import MODELS  # noqa: E402
from include.articles.pipeline import Dependencies, Pipeline  # noqa: E402
from include.articles.plan import Plan  # noqa: E402
from include.articles.report import STEPS  # noqa: E402
from include.articles.settings import ArticleSettings  # noqa: E402
from include.articles.sites.adapters.base import Metadata  # noqa: E402
from include.articles.sites.configuration import load_sites  # noqa: E402
from include.core.database.engine import open_engine  # noqa: E402
from include.core.frames import read_frame  # noqa: E402

DATA = Path(os.environ.get("QUARTET_REAL_DATA") or ROOT.parent / "shared" / "data")
GENERATOR = DATA.parent / "tools" / "make_snowplow_events.py"
POSTGRES = make_url(os.environ.get("QUARTET_TEST_POSTGRES") or "postgresql+psycopg2://postgres@127.0.0.1:5432/postgres")
SITE, DAG = "washington-city-paper", "article_recs__washington_city_paper"
RUN_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
LARGE = {"days": 28, "users": 120_000, "articles": 4_000, "events": 5_000_000, "seed": 7}
SMALL = {"days": 28, "users": 40_000, "articles": 2_000, "events": 600_000, "seed": 11}
DAYS, WARM_RUNS = 28, 3


def generate(folder: Path, size: dict[str, int]) -> None:
    """Write an archive of events with its truth."""
    options = [text for name, value in size.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, str(GENERATOR), "--out", str(folder), *options, "--oracle"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def preload(url: URL, folder: Path) -> None:
    """Store the articles, so that no page is requested."""
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
    """Request recommendations with a warm cache, then lists that are not cached."""
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


def writes() -> None:
    """80,000 recommendation rows into SQLite and PostgreSQL."""
    ids = [str(each) for each in range(4_000)]
    with tempfile.TemporaryDirectory() as folder, database(POSTGRES) as server:
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


def plain(folder: Path) -> None:
    """The same steps as one plain program of pandas, and ours without Airflow, one after the other."""
    rows = pd.read_json(folder / "truth" / "articles.jsonl", lines=True, dtype={"external_id": str})
    known = rows.assign(article_id=range(1, len(rows) + 1), published_at=pd.to_datetime(rows["published_at"], utc=True))
    began = time.monotonic()
    peer = plain_articles.run(folder, known[["external_id", "article_id", "published_at"]], RUN_AT, DAYS)
    plain_seconds = time.monotonic() - began
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        url = make_url(f"sqlite:///{home}/articles.db")
        preload(url, folder)
        settings = ArticleSettings.load(metadata_refresh_hours=0, ga_data_bucket=f"file://{folder}", model="als")
        files = RunFiles(home / "run")
        dependencies = Dependencies(
            files=files,
            extracts=home / "extracts",
            open_database=partial(open_engine, url),
            requested_plan=lambda: Plan(SITE, "plain", RUN_AT, True, settings),
            open_url=lambda url: Path(url.removeprefix("file://")),
            open_site=lambda site, base_url: lambda requests: iter(()),
            measure=lambda name, value, **tags: None,
            record=lambda report, figures: None,
            note=lambda text: None,
            elapsed=lambda: 0.0,
            clock=lambda: RUN_AT,
        )
        pipeline = Pipeline(load_sites(settings)[SITE], dependencies)
        began = time.monotonic()
        pipeline.create_model()
        for step in STEPS:
            getattr(pipeline, step)()
        seconds = time.monotonic() - began
        began = time.monotonic()
        for step in STEPS:
            getattr(pipeline, step)()
        again = time.monotonic() - began
        ours = read_frame(files.recommendations("article"))
    key = ["source", "target"]
    same = ours.astype({"source": str, "target": str}).merge(peer["recommendations"], on=key, suffixes=("", "_plain"))
    equal = np.isclose(same["score"], same["score_plain"], atol=2e-6).sum()
    line("plain pandas program, raw files to lists", f"{plain_seconds:.1f} s")
    line("ours, cold, with database and files", f"{seconds:.1f} s, {plain_seconds / seconds:.1f} x as fast")
    line("ours, events read before", f"{again:.1f} s, {plain_seconds / again:.1f} x as fast")
    line("rows of the lists that both have, with equal scores", f"{equal:,} of {len(ours):,}")


def quality(large: Path) -> None:
    """nDCG@10 on real readers, the share of the planted topic on generated ones."""
    clicks = quality_of.load_globo(DATA / "globo_news" / "clicks")
    lastfm = [quality_of.load_lastfm(DATA / "hetrec-lastfm-2k" / "user_artists.dat", seed) for seed in range(5)]
    for name, samples in (
        ("Globo, last article", [quality_of.hold_out_last(clicks)]),
        ("Globo, the future", [quality_of.hold_out_future(clicks)]),
        ("last.fm, 5 seeds", lastfm),
    ):
        asked = sum(len(sample.questions) for sample in samples)
        print(f"{name}: {asked:,} questions, {sum(sample.left_out for sample in samples):,} left out")
        for model, value, more, error in quality_of.evaluate(samples):
            line(f"  nDCG@10 of {model}", f"{value:.4f} ({more:+.4f} ± {error:.4f})")
    with tempfile.TemporaryDirectory() as small:
        generate(Path(small), SMALL)
        for folder, least in ((Path(small), 0.40), (large, 0.80)):
            sample, topics, weights = quality_of.load_planted(folder, pd.Timestamp(RUN_AT))
            for model in MODELS:
                lists = quality_of.related(sample, model, weights, 20)
                share = quality_of.planted_share(lists, topics)
                flat = quality_of.planted_share(quality_of.related(sample, model, None, 20), topics)
                what = f"planted topic, {len(sample.articles):,} articles, {model}"
                line(what, f"{share:.3f}, without weights {flat:.3f}", f">= {least:.2f}")


def main() -> int:
    """Run the requested parts, or all."""
    asked = sys.argv[1:] or ["platform", "writes", "plain", "quality"]
    machine()
    if "writes" in asked:
        writes()
    if not GENERATOR.exists():
        print(f"there is no {GENERATOR}: the rest of article recommendations is left out")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if set(asked) - {"writes"}:
            generate(folder, LARGE)
        for part, measure in {"platform": whole_platform, "plain": plain, "quality": quality}.items():
            if part in asked:
                measure(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs of a small generated site without Airflow: the same steps, pages from memory."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from sqlalchemy import URL, text

from deploy.demo.articles import generate
from include.articles import layout
from include.articles.layout import RunFiles
from include.articles.pipeline import Dependencies, Pipeline
from include.articles.plan import Plan
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters.base import PageError, PageRequest, PageResponse
from include.articles.sites.configuration import Site
from include.core.database.engine import open_engine
from include.core.storage import StoragePath, read_bytes

END = datetime(2026, 3, 10, 12, tzinfo=UTC)
GAZETTE = generate.make(articles=60, readers=200, events=6_000, days=4, end=END, seed=5)
PAGE = """<meta property="article:published_time" content="{time}"><header><h1>{title}</h1></header>"""
STEPS = (
    "create_model", "fetch_data", "filter_events", "scrape_metadata", "build_interactions", "save_defaults",
    "train_model", "save_predictions", "clean_up", "report",
)  # fmt: skip


def site(name: str = "demo-gazette") -> Site:
    """Return the configuration of the site."""
    return Site(name=name, domain=generate.DOMAIN, kind="washington_city_paper")


@cache
def written() -> dict[Path, bytes]:
    """Return path → content of the events' files, which take half a second to generate."""
    with TemporaryDirectory() as folder:
        generate.write(GAZETTE, Path(folder))
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {path.relative_to(folder): path.read_bytes() for path in files}


@dataclass
class Runner:
    """
    Runs steps of runs.

    Attributes:
        root: folder of everything.
        url: the database.
        storage: the workflow's folder, in place of *root*.
        open_url: opens a folder by its URL.
        asked: external ids that were requested from the site.
        measured: metrics by name.
        recorded: the last report and its figures.
        notes: notes of runs.
        down: articles whose requests time out.
    """

    root: Path
    url: URL
    asked: list[str] = field(default_factory=list)
    measured: dict[str, float] = field(default_factory=dict)
    recorded: tuple[Mapping[str, Any], Mapping[str, bytes]] = field(default_factory=lambda: ({}, {}))
    notes: list[str] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    now: datetime = END + timedelta(minutes=1)
    storage: StoragePath | None = None
    open_url: Callable[[str], StoragePath] = lambda url: Path(url.removeprefix("file://"))

    @property
    def archive(self) -> Path:
        """Root of the events, which are written on first access."""
        folder = self.root / "events"
        if not folder.exists():
            for path, content in written().items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
        return folder

    def plan(self, run_id: str = "run", run_at: datetime = END, train: bool = True, **settings: Any) -> Plan:
        """Return a plan."""
        given = {"ga_data_bucket": f"file://{self.archive}", "days_of_data": 4, "epochs": 1, "factors": 8} | settings
        return Plan(settings.pop("site", "demo-gazette"), run_id, run_at, train, ArticleSettings.load(**given))

    def pipeline(self, plan: Plan, name: str = "demo-gazette") -> Pipeline:
        """Return the steps of a run."""
        dependencies = Dependencies(
            files=self.files(plan, name),
            extracts=layout.extracts_folder(self.storage or self.root, name),
            requested_plan=lambda: plan,
            open_database=partial(open_engine, self.url),
            open_url=self.open_url,
            open_site=lambda site, base_url: self.fetch,
            measure=lambda name, value, **tags: self.measured.__setitem__(name, value),
            record=self.record,
            note=self.notes.append,
            elapsed=lambda: 60.0,
            clock=lambda: self.now,
        )
        return Pipeline(site(name), dependencies)

    def files(self, plan: Plan, name: str = "demo-gazette") -> RunFiles:
        """Return the files of a run."""
        return layout.run_files(self.storage or self.root, name, plan.run_at, plan.run_id)

    def record(self, report: Mapping[str, Any], figures: Mapping[str, bytes]) -> None:
        """Store a report and its figures."""
        self.recorded = report, figures

    def run(self, plan: Plan, steps: Iterable[str] = STEPS, name: str = "demo-gazette") -> dict[str, Any]:
        """Perform steps, each with a pipeline of its own as in a task; return their results."""
        found = {}
        for step in steps:
            pipeline = self.pipeline(plan, name)
            with pipeline.keeping_errors():
                found[step] = getattr(pipeline, step)()
        return found

    def fetch(self, requests: Iterable[PageRequest]) -> Iterator[tuple[PageRequest, PageResponse | PageError]]:
        """Respond like the site."""
        articles = GAZETTE.articles.set_index("external_id")
        for request in requests:
            self.asked.append(request.external_id)
            if request.external_id in self.down:
                yield request, PageError("timeout", "no answer")
                continue
            row = articles.loc[request.external_id]
            page = PAGE.format(time=row["published_at"].isoformat(), title=escape(row["title"]))
            path = f"/article/{request.external_id}/{row['slug']}/"
            yield request, PageResponse(generate.DOMAIN, path, page.encode())

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Query the database."""
        with open_engine(self.url) as engine, engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def models(self, name: str = "demo-gazette") -> dict[tuple[str, str], str]:
        """Return (run, type) → status."""
        found = self.rows("SELECT run_id, type, status FROM model WHERE site = :site", site=name)
        return {(row.run_id, row.type): row.status for row in found}

    def served(self, kind: str, name: str = "demo-gazette") -> pd.DataFrame:
        """Return the rows of the current model, without ids and times."""
        found = self.rows(
            """SELECT source_entity_id AS source, rank, external_id AS target, score
            FROM recommendation JOIN model ON model.id = model_id JOIN article ON article.id = recommended_article_id
            WHERE model.site = :site AND model.type = :kind AND model.status = 'current'""",
            site=name,
            kind=kind,
        )
        frame = pd.DataFrame(found, columns=["source", "rank", "target", "score"]).astype({"score": float})
        return frame.sort_values(["source", "rank"], ignore_index=True)

    def report(self, plan: Plan, name: str = "demo-gazette") -> dict[str, Any]:
        """Read the report of a run."""
        return json.loads(read_bytes(self.files(plan, name).report))

"""A run of a small newsroom without Airflow: the same steps, the newsroom's pages from memory."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import URL, text

from include.articles import generate
from include.articles.pipeline import Pipeline, Surroundings
from include.articles.run import Plan
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters.base import PageError, PageRequest, PageResponse
from include.articles.sites.configuration import Site
from include.core.database.engine import open_engine
from include.core.storage import StoragePath

END = datetime(2026, 3, 10, 12, tzinfo=UTC)
NEWSROOM = generate.make(articles=60, readers=200, events=6_000, days=4, end=END, seed=5)
PAGE = """<meta property="article:published_time" content="{time}"><header><h1>{title}</h1></header>"""
STEPS = (
    "create_model", "fetch_data", "filter_events", "scrape_metadata", "build_interactions", "save_defaults",
    "train_model", "save_predictions", "clean_up", "report",
)  # fmt: skip


def site(name: str = "demo-gazette") -> Site:
    """Describe the newsroom."""
    return Site(name=name, domain=generate.DOMAIN, kind="washington_city_paper")


@dataclass
class Runner:
    """
    Runs steps of runs.

    Attributes:
        root: folder of everything.
        url: the database.
        storage: what stands in for *root* as the folder of the sites' tables.
        open_events: gives the root of the events at a URL.
        asked: external ids that the newsroom was asked about.
        measured: figures by name.
        down: articles of which the newsroom tells nothing.
    """

    root: Path
    url: URL
    asked: list[str] = field(default_factory=list)
    measured: dict[str, float] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    now: datetime = END + timedelta(minutes=1)
    storage: StoragePath | None = None
    open_events: Callable[[str], StoragePath] = lambda url: Path(url.removeprefix("file://"))

    @property
    def archive(self) -> Path:
        """Root of the events; they are written when it is first asked for."""
        folder = self.root / "events"
        if not folder.exists():
            generate.write(NEWSROOM, folder)
        return folder

    def plan(self, run_id: str = "run", run_at: datetime = END, train: bool = True, **settings: Any) -> Plan:
        """Make a plan."""
        given = {"ga_data_bucket": f"file://{self.archive}", "days_of_data": 4, "epochs": 1, "factors": 8} | settings
        return Plan(settings.pop("site", "demo-gazette"), run_id, run_at, train, ArticleSettings.load(**given))

    def pipeline(self, plan: Plan, name: str = "demo-gazette") -> Pipeline:
        """Give the steps of a run."""
        folder = (self.storage or self.root) / name
        around = Surroundings(
            folder=folder / "runs" / plan.folder_name,
            extracts=folder / "extracts",
            open_database=partial(open_engine, self.url),
            open_events=self.open_events,
            open_site=lambda site, base_url: self.fetch,
            measure=self.measured.__setitem__,
            clock=lambda: self.now,
        )
        return Pipeline(site(name), around)

    def run(self, plan: Plan, steps: Iterable[str] = STEPS, name: str = "demo-gazette") -> dict[str, Any]:
        """Do steps, each with a pipeline of its own as in a task; give what they returned."""
        found = {}
        for step in steps:
            pipeline = self.pipeline(plan, name)
            with pipeline.noting_errors():
                found[step] = pipeline.create_model(plan) if step == "create_model" else getattr(pipeline, step)()
        return found

    def fetch(self, questions: Iterable[PageRequest]) -> Iterator[tuple[PageRequest, PageResponse | PageError]]:
        """Answer like the newsroom."""
        articles = NEWSROOM.articles.set_index("external_id")
        for question in questions:
            self.asked.append(question.external_id)
            if question.external_id in self.down:
                yield question, PageError("timeout", "no answer")
                continue
            row = articles.loc[question.external_id]
            page = PAGE.format(time=row["published_at"].isoformat(), title=escape(row["title"]))
            path = f"/article/{question.external_id}/{row['slug']}/"
            yield question, PageResponse(generate.DOMAIN, path, page.encode())

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Ask the database."""
        with open_engine(self.url) as engine, engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def models(self, name: str = "demo-gazette") -> dict[tuple[str, str], str]:
        """Give (run, type) → status."""
        found = self.rows("SELECT run_id, type, status FROM model WHERE site = :site", site=name)
        return {(row.run_id, row.type): row.status for row in found}

    def served(self, kind: str, name: str = "demo-gazette") -> pd.DataFrame:
        """Give the rows of the current model, without ids and times."""
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
        return json.loads((self.root / name / "runs" / plan.folder_name / "run.json").read_text())

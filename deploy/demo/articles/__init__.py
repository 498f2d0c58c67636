"""Article recommendations: one run over the fictitious news site, and the recommendations for one of its articles."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from deploy.demo.articles import gazette
from deploy.demo.articles.gazette import SITE, Article, Gazette
from deploy.demo.client import DemoError, Platform
from deploy.demo.report import Result
from include.articles.settings import ArticleSettings

DAG = "article_recs__demo_gazette"
RECS = "/articles/recs"
SHOWN = 5
"""Number of recommendations shown, as a page would."""
PLANTED_SHARE = 0.6
"""Required share of those on the topic that the article's readers prefer."""
MAX_SIZE = 499
"""Limit of the API for one response."""
Rec = dict[str, Any]


def run(platform: Platform, progress: Callable[[str], None]) -> list[Result]:
    """Run the workflow once; raises `DemoError` if a result is wrong."""
    if not gazette.is_known():
        return []
    site = gazette.load()
    if site is None:
        raise DemoError("the demo's news site does not exist: python -m deploy.demo.articles makes it")
    progress("articles: waiting until the platform knows the site")
    # DAG files are parsed every 40 s, and the site may have just been added
    dag = platform.wait(lambda: _dag(platform), 120, f"the DAG {DAG}")
    if dag["is_paused"]:
        raise DemoError(f"the DAG {DAG} is paused; its switch is at {platform.url}/dags/{DAG}")
    began = time.monotonic()
    with gazette.serve(site.articles) as address:
        path = _start(platform, site, address)
        platform.wait(lambda: _finished(platform, path, progress), 300, f"the end of {path}")
    seconds = time.monotonic() - began

    progress("articles: reading the recommendations")
    models = platform.get(f"{path}/taskInstances/create_model/xcomEntries/return_value")["value"]
    sources = platform.get(f"/articles/models/{models['article']}/articles")["results"]
    lists = {each["external_id"]: _recs(platform, models["article"], each["external_id"]) for each in sources}
    defaults = _recs(platform, models["popularity"], "default")
    share = _check(site, lists, defaults, ArticleSettings.load().max_recs)
    source = max(lists, key=lambda each: sum(float(rec["score"]) for rec in lists[each][:SHOWN]))
    title = _by_id(site)[source].title
    return [
        Result(
            "articles",
            f"model {models['popularity']}: {len(defaults)} defaults, the first is {_title(defaults[0])!r}",
            f"database articles, model {models['popularity']}",
            seconds,
            f"{RECS}?site={SITE}&model_type=popularity",
        ),
        Result(
            "articles",
            f"model {models['article']}: {sum(map(len, lists.values())):,} recommendations for {len(lists)} articles; "
            f"{share:.0%} of the first {SHOWN} are on the planted topic",
            f"database articles, model {models['article']}",
            seconds,
            f"{RECS}?site={SITE}&source_entity_id={source}",
            _picture(title, lists[source], defaults),
        ),
    ]


def _dag(platform: Platform) -> dict[str, Any] | None:
    dags = platform.get("/api/v2/dags", dag_id_pattern=DAG)["dags"]  # the pattern may match others too
    return next((dag for dag in dags if dag["dag_id"] == DAG), None)


def _start(platform: Platform, site: Gazette, address: str) -> str:
    """Start a run of the DAG; return its path in Airflow's API."""
    conf = {
        "run_at": site.end.isoformat(),
        "site_base_url": address,
        "ga_data_bucket": gazette.events_url(),
        "days_of_data": gazette.DAYS,
    }
    return platform.trigger(DAG, f"demo__{datetime.now(UTC).isoformat()}", conf)


def _finished(platform: Platform, path: str, progress: Callable[[str], None]) -> bool:
    state = platform.get(path)["state"]
    tasks = platform.get(f"{path}/taskInstances")["task_instances"]
    by_state = {
        state: [task["task_id"].split(".")[-1] for task in tasks if task["state"] == state]
        for state in ("failed", "success", "running")
    }
    if state == "failed":
        raise DemoError(f"{path} has failed in {', '.join(by_state['failed']) or 'no task'}; its log says why")
    running = ", ".join(by_state["running"]) or "waiting"
    progress(f"articles: {len(by_state['success'])} of {len(tasks)} tasks are done, now {running}")
    return state == "success"


def _recs(platform: Platform, model: int, source: str) -> list[Rec]:
    """Read a list by its model: for the current model the API may answer from its cache."""
    return platform.get(RECS, site=SITE, model_id=model, source_entity_id=source, size=MAX_SIZE)["results"]


def _check(site: Gazette, lists: dict[str, list[Rec]], defaults: list[Rec], max_recs: int) -> float:
    """Check all lists; return the share of the first recommendations on the topic of their source."""
    articles = _by_id(site)
    if len(lists) <= SHOWN or not defaults:
        raise DemoError(
            f"recommendations were expected, found {len(defaults)} defaults, lists of {len(lists)} articles"
        )
    length = min(max_recs, len(lists) - 1, MAX_SIZE)
    shares = []
    for source, recs in lists.items():
        if len(recs) != length:
            raise DemoError(f"{length} recommendations for article {source} were expected, found {len(recs)}")
        first = [articles[_id(rec)].topic == articles[source].topic for rec in recs[:SHOWN] if _id(rec) in articles]
        shares.append(sum(first) / len(recs[:SHOWN]))
    for rec in [*defaults, *(rec for recs in lists.values() for rec in recs)]:
        article, found = articles.get(_id(rec)), rec["recommended_article"]
        if article is None or article.fault or (found["title"], found["path"]) != (article.title, article.path):
            raise DemoError(f"{found} is recommended; the site has {article}")
        if rec["model"]["status"] != "current":
            raise DemoError(f"a current model was expected, found {rec['model']}")
    share = sum(shares) / len(shares)
    if share < PLANTED_SHARE:
        raise DemoError(
            f"{PLANTED_SHARE:.0%} of the first {SHOWN} were expected on the planted topic, found {share:.0%}"
        )
    return share


def _picture(title: str, related: list[Rec], defaults: list[Rec]) -> Table:
    """Return a table with both lists side by side."""
    table = Table(title=f"What goes below “{escape(title)}”", title_justify="left", title_style="bold", box=box.ROUNDED)
    for heading in ("related to it", "score", "the site's defaults", "score"):
        table.add_column(heading, justify="right" if heading == "score" else "left", overflow="fold")
    for one, other in zip(related[:SHOWN], defaults[:SHOWN], strict=False):
        cells = [(escape(_title(rec)), f"{float(rec['score']):.3f}") for rec in (one, other)]
        table.add_row(*cells[0], *cells[1])
    return table


def _by_id(site: Gazette) -> dict[str, Article]:
    return {article.external_id: article for article in site.articles}


def _id(rec: Rec) -> str:
    return rec["recommended_article"]["external_id"]


def _title(rec: Rec) -> str:
    return rec["recommended_article"]["title"]

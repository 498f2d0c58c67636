"""Which articles are requested from a site, what is stored of its responses, and what may be recommended."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, make_url, text

from include.articles import scraping
from include.articles.database import articles as database
from include.articles.database.tables import METADATA
from include.articles.models.weights import get_weights
from include.articles.scraping import scrape
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters import adapter_of
from include.articles.sites.adapters.base import ErrorKind, Metadata, PageError, PageRequest, PageResponse
from include.articles.sites.configuration import Site
from include.core.database.engine import open_engine

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
OLD = NOON - timedelta(days=30)
WCP = Site(name="wcp", kind="washington_city_paper", domain="washingtoncitypaper.com")
RIVER = Site(name="river", kind="wordpress", domain="river.example", path_pattern=r"/(?:x/)?(?P<slug>[a-z]+)/")


def hours(number: float) -> datetime:
    """Return the instant this many hours after noon."""
    return NOON + timedelta(hours=number)


@dataclass
class FakeSite:
    """A site: its response for each target, and the requests it has received."""

    site: Site
    answers: dict[str, PageResponse | PageError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Targets, in the order of requests."""

    def page(self, path: str, title: str = "T", published: datetime | None = OLD, tag: str = "", at: str = "") -> None:
        """Publish a page of Washington City Paper at *at* that redirects to *path*."""
        time = f'<meta property="article:published_time" content="{published.isoformat()}">' if published else ""
        body = f'{time}<div id="primary"><header><h1>{title}</h1></header><p class="{tag}"></div>'
        self.answers[at or path] = PageResponse("washingtoncitypaper.com", path, body.encode())

    def post(self, slug: str, published: datetime = OLD, **fields: Any) -> None:
        """Publish a post of a WordPress site."""
        found = {"slug": slug, "type": "post", "status": "publish", "link": f"https://river.example/{slug}/"}
        found |= {"date_gmt": f"{published:%Y-%m-%dT%H:%M:%S}", "title": {"rendered": slug}}
        self.reply(slug, json.dumps([found | fields]))

    def reply(self, slug: str, body: str) -> None:
        """Publish the answer of a WordPress site's API for a slug."""
        target = adapter_of(self.site).target(slug, "")
        self.answers[target] = PageResponse("river.example", "/wp-json/wp/v2/posts/", body.encode())

    def fetch(self, requests: Iterable[PageRequest]) -> Iterator[tuple[PageRequest, PageResponse | PageError]]:
        for request in requests:
            self.asked.append(request.target)
            yield request, self.answers.get(request.target, PageError("timeout", request.target))


@dataclass
class Scraper:
    """A site and a database, and one run after the other."""

    fake: FakeSite
    engine: Engine

    def run(
        self, *paths: str, at: datetime = NOON, clock: Callable[[], datetime] = lambda: NOON, **settings: Any
    ) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Scrape the articles of these paths."""
        site = self.fake.site
        adapter = adapter_of(site)
        rows = [(adapter.external_id(path), path) for path in paths]
        self.fake.asked.clear()
        table = pd.DataFrame(rows, columns=["external_id", "path"], dtype="str")
        return scrape(self.engine, site.name, adapter, table, self.fake.fetch, at, ArticleSettings(**settings), clock)

    def known(self, external_id: str) -> database.StoredArticle | None:
        """Return the stored article."""
        return database.read(self.engine, self.fake.site.name, [external_id]).get(external_id)

    def store(self, external_id: str, published: datetime | None = OLD, at: datetime = OLD, **fields: Any) -> None:
        """Store an article."""
        found = {"title": "Old title", "path": f"/article/{external_id}/a/"} | fields
        database.upsert(self.engine, self.fake.site.name, [Metadata(external_id, published_at=published, **found)], at)

    @property
    def asked(self) -> list[str]:
        return self.fake.asked


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(make_url(f"sqlite:///{tmp_path}/articles.db")) as opened:
        METADATA.create_all(opened)
        yield opened


@pytest.fixture
def wcp(engine: Engine) -> Scraper:
    return Scraper(FakeSite(WCP), engine)


@pytest.fixture
def river(engine: Engine) -> Scraper:
    return Scraper(FakeSite(RIVER), engine)


def test_new_articles_are_stored_and_given_in_the_order_of_their_ids(wcp):
    wcp.fake.page("/article/20/b/", published=hours(-5))
    wcp.fake.page("/article/101/a/")
    articles, counts = wcp.run("/article/20/b/", "/article/101/a/")
    assert articles.dtypes.astype(str).to_dict() == {
        "article_id": "int64",
        "external_id": "str",
        "published_at": "datetime64[us, UTC]",
        "landing_page_path": "str",
    }
    assert articles.drop(columns="article_id").to_dict("split", index=False)["data"] == [
        ["101", OLD, "/article/101/a/"],
        ["20", hours(-5), "/article/20/b/"],
    ]
    assert articles["article_id"].tolist() == [each.id for each in map(wcp.known, ["101", "20"]) if each]
    assert counts == {"articles": 2, "asked": 2, "creates": 2, "updates": 0, "errors": {}}


def test_no_articles_are_an_empty_table(wcp):
    articles, counts = wcp.run()
    assert len(articles) == 0
    assert articles["published_at"].dtype == "datetime64[us, UTC]"
    assert counts == {"articles": 0, "asked": 0, "creates": 0, "updates": 0, "errors": {}}


@pytest.mark.parametrize(
    ("paths", "asked"),
    [
        (["/v/s/washingtoncitypaper.com/article/1/a/", "/article/1/a-long-slug/"], "/article/1/a-long-slug/"),
        (["/v/s/washingtoncitypaper.com/article/1/a/"], "/article/1/a/"),
        (["/article/1/a?amp", "/article/1/alpha/"], "/article/1/alpha/"),
        (["/article/1/a/amp/", "/article/1/a-slug-that-is-long/"], "/article/1/a-slug-that-is-long/"),
        (["/article/1/a/?x=1", "/article/1/alpha/beta/"], "/article/1/alpha/beta/"),
        (["/article/1/abc/", "/article/1/b/"], "/article/1/b/"),
        (["/article/1/b/", "/article/1/a/"], "/article/1/a/"),
        (["/article/1/\x07", "/article/1/\0", f"/article/1/{'x' * 2000}", "/article/1/good/"], "/article/1/good/"),
    ],
)
@pytest.mark.parametrize("step", [1, -1])
def test_an_article_is_asked_for_once_at_its_best_path(wcp, paths, asked, step):
    wcp.run(*paths[::step])
    assert wcp.asked == [asked]


def test_an_article_that_has_no_path_to_ask_for_is_left_out(wcp):
    articles, counts = wcp.run("/article/1/\x07")
    assert (wcp.asked, len(articles), counts["asked"]) == ([], 0, 0)


def test_the_stored_path_is_the_best_one(wcp):
    wcp.store("1", published=None, path="/article/1/the-slug-of-today/")
    wcp.run("/article/1/old/", "/article/1/the-slug-of-today/")
    assert wcp.asked == ["/article/1/the-slug-of-today/"]


@given(st.lists(st.sampled_from("abc/?=&x").map(lambda end: f"/article/1/a{end}"), min_size=1))
def test_the_order_of_paths_does_not_matter(paths):
    best = min(paths, key=lambda path: scraping._preference(path, None))
    assert best == min(reversed(paths), key=lambda path: scraping._preference(path, None))
    assert best.count("?") == min(path.count("?") for path in paths)


@pytest.mark.parametrize(
    ("published", "updated", "settings", "asked"),
    [
        (OLD, hours(-100), {}, False),
        (None, hours(-100), {}, True),
        (hours(-23.9), hours(-2), {}, True),
        (hours(-24), hours(-2), {}, False),
        (hours(1), hours(-2), {}, True),
        (hours(-24), hours(-2), {"metadata_refresh_hours": 24.5}, True),
        (hours(-1), hours(-2), {"metadata_refresh_hours": 0}, False),
        (OLD, datetime(2026, 3, 4, 23, 59, tzinfo=UTC), {"metadata_backfill_before": date(2026, 3, 5)}, True),
        (OLD, datetime(2026, 3, 5, tzinfo=UTC), {"metadata_backfill_before": date(2026, 3, 5)}, False),
    ],
)
def test_known_articles_are_asked_for_when_they_may_have_changed(wcp, published, updated, settings, asked):
    wcp.store("1", published, updated)
    wcp.fake.page("/article/1/a/", "New title", published or OLD)
    articles, counts = wcp.run("/article/1/a/", **settings)
    assert bool(wcp.asked) == asked
    assert wcp.known("1").title == ("New title" if asked else "Old title")
    assert counts["updates"] == asked
    assert len(articles) == 1


def test_articles_that_are_not_known_are_asked_for_first(wcp):
    wcp.store("1", published=None)
    wcp.run("/article/1/a/", "/article/3/a/", "/article/2/a/")
    assert wcp.asked == ["/article/2/a/", "/article/3/a/", "/article/1/a/"]


@pytest.mark.parametrize("kind", ["timeout", "http_status", "redirect_loop", "connection", "too_large", "not_asked"])
def test_what_fails_is_counted_and_changes_nothing(wcp, kind: ErrorKind):
    wcp.store("1", hours(-2), hours(-2))
    before = wcp.known("1")
    wcp.fake.page("/article/3/a/")
    wcp.fake.answers |= {f"/article/{number}/a/": PageError(kind, "") for number in (1, 2)}
    articles, counts = wcp.run("/article/1/a/", "/article/2/a/", "/article/3/a/")
    assert articles["external_id"].tolist() == ["1", "3"]
    assert counts["errors"] == {kind: 2}
    assert (wcp.known("1"), wcp.known("2")) == (before, None)


def test_an_article_without_a_time_is_not_stored_and_a_stored_one_keeps_its_own(wcp):
    wcp.store("1", hours(-2), hours(-2))
    for number in (1, 2):
        wcp.fake.page(f"/article/{number}/a/", "New title", None)
    articles, counts = wcp.run("/article/1/a/", "/article/2/a/")
    assert (wcp.known("1").published_at, wcp.known("1").title) == (hours(-2), "New title")
    assert wcp.known("2") is None
    assert articles["external_id"].tolist() == ["1"]
    assert (counts["updates"], counts["errors"]) == (1, {"no_published_at": 1})


def test_an_article_that_has_never_had_a_time_is_not_given(wcp):
    wcp.store("1", None)
    wcp.fake.page("/article/1/a/", published=None)
    assert len(wcp.run("/article/1/a/")[0]) == 0


def test_a_renamed_article_has_the_path_of_today(wcp):
    wcp.fake.page("/article/1/new/", at="/article/1/old/")
    articles, _ = wcp.run("/article/1/old/")
    assert articles["landing_page_path"].tolist() == ["/article/1/new/"]


def test_a_redirect_to_another_article_is_an_error(wcp):
    wcp.fake.page("/article/2/b/", at="/article/1/a/")
    articles, counts = wcp.run("/article/1/a/")
    assert (len(articles), counts["errors"]) == (0, {"not_an_article": 1})
    assert wcp.known("2") is None


def test_an_article_may_become_an_advertisement_and_back(wcp):
    for tag, given_ids in (("tag-exclude", []), ("", ["1"]), ("tag-exclude", [])):
        wcp.fake.page("/article/1/a/", published=hours(-1), tag=tag)
        assert wcp.run("/article/1/a/")[0]["external_id"].tolist() == given_ids
        assert wcp.known("1").excluded_reason == ("tag_exclude" if tag else None)


def test_an_article_that_three_runs_in_a_row_do_not_find_is_gone(wcp):
    wcp.store("1", hours(-1), hours(-2))
    wcp.fake.answers["/article/1/a/"] = PageError("not_found", "status 404")
    for number, (at, count) in enumerate([(0, 1), (0, 1), (2, 2), (2, 2), (2, 2), (4, 3)]):
        articles, counts = wcp.run("/article/1/a/", at=hours(at))  # a run that is tried again has the same instant
        assert (wcp.known("1").missing_count, len(articles)) == (count, number < 5)
        assert counts["errors"] == {"not_found": 1}
    assert wcp.known("1").excluded_reason == "gone"


def test_an_article_that_is_found_again_is_not_gone(wcp):
    wcp.store("1", hours(-1), hours(-2))
    for at in (0, 2, 4):
        wcp.fake.answers["/article/1/a/"] = PageError("not_found", "status 404")
        wcp.run("/article/1/a/", at=hours(at))
    wcp.fake.page("/article/1/a/", published=hours(-1))
    assert len(wcp.run("/article/1/a/", at=hours(6))[0]) == 1
    assert (wcp.known("1").missing_count, wcp.known("1").excluded_reason) == (0, None)


def test_other_errors_between_do_not_count(wcp):
    wcp.store("1", hours(-1), hours(-2))
    for at, kind in enumerate(["not_found", "timeout", "not_found", "http_status"]):
        wcp.fake.answers["/article/1/a/"] = PageError(kind, "")
        wcp.run("/article/1/a/", at=hours(at))
    assert wcp.known("1").missing_count == 2


def test_a_run_that_is_tried_again_gives_the_same(wcp):
    wcp.fake.page("/article/1/a/")
    wcp.fake.page("/article/2/a/", published=hours(-1))
    first, _ = wcp.run("/article/1/a/", "/article/2/a/")
    second, counts = wcp.run("/article/1/a/", "/article/2/a/")
    pd.testing.assert_frame_equal(first, second)
    assert (counts["creates"], counts["updates"]) == (0, 1)


def test_two_sites_may_use_the_same_ids(wcp, river, engine):
    wcp.fake.page("/article/1/a/")
    wcp.run("/article/1/a/")
    other = Scraper(FakeSite(WCP.model_copy(update={"name": "other"})), engine)
    other.fake.page("/article/1/a/", "Other title")
    other.run("/article/1/a/")
    assert (wcp.known("1").title, other.known("1").title) == ("T", "Other title")


def test_what_has_come_is_written_before_all_has_come(wcp, monkeypatch):
    monkeypatch.setattr(scraping, "BATCH", 2)
    for number in range(1, 6):
        wcp.fake.page(f"/article/{number}/a/")
    whole = wcp.fake.fetch

    def ended(requests: Iterable[PageRequest]) -> Iterator[tuple[PageRequest, PageResponse | PageError]]:
        for number, answer in enumerate(whole(requests)):
            if number == 3:
                raise KeyboardInterrupt
            yield answer

    wcp.fake.fetch = ended
    with pytest.raises(KeyboardInterrupt):
        wcp.run(*[f"/article/{number}/a/" for number in range(1, 6)])
    assert [number for number in range(1, 6) if wcp.known(str(number))] == [1, 2]


def test_a_slow_site_is_written_down_every_few_seconds(wcp):
    seconds = iter(range(0, 1000, 3))
    stored = []
    for number in range(1, 6):
        wcp.fake.page(f"/article/{number}/a/")
    whole = wcp.fake.fetch

    def watched(requests: Iterable[PageRequest]) -> Iterator[tuple[PageRequest, PageResponse | PageError]]:
        for answer in whole(requests):
            stored.append(sum(wcp.known(str(number)) is not None for number in range(1, 6)))
            yield answer

    wcp.fake.fetch = watched
    wcp.run(*[f"/article/{number}/a/" for number in range(1, 6)], clock=lambda: NOON + timedelta(seconds=next(seconds)))
    assert stored == [0, 0, 2, 2, 4]


def test_posts_of_a_wordpress_site(river):
    river.fake.post("vote", hours(-1))
    river.fake.post("draft", status="draft")
    river.fake.reply("tag", "[]")
    articles, counts = river.run("/vote/", "/draft/", "/tag/", "/down/")
    assert articles[["external_id", "landing_page_path"]].to_numpy().tolist() == [["vote", "/vote/"]]
    assert counts["errors"] == {"not_an_article": 1, "not_found": 1, "timeout": 1}


def test_paths_that_are_no_posts_are_asked_for_once_more_on_the_same_day_and_then_never(river):
    river.fake.reply("tag", "[]")
    for at, asked in [(0, 2), (2, 2), (4, 1), (20, 1), (44, 1)]:
        river.run("/tag/", "/down/", at=hours(at))
        assert len(river.asked) == asked
    with river.engine.connect() as connection:
        rows = connection.execute(text("SELECT site, path, external_id, exclude_reason FROM path")).all()
    assert rows == [("river", "/tag/", None, "failed_site_validation")]


def test_a_path_that_was_no_post_yesterday_is_not_asked_for(river):
    river.fake.reply("tag", "[]")
    river.run("/tag/", at=hours(0))
    river.run("/tag/", at=hours(24))
    assert river.asked == []


def test_a_run_that_is_tried_again_does_not_use_up_the_second_look(river):
    river.fake.reply("tag", "[]")
    for at, asked in [(0, 1), (0, 1), (2, 1), (4, 0)]:
        river.run("/tag/", at=hours(at))
        assert len(river.asked) == asked


def test_a_path_that_has_become_a_post_is_taken(river):
    river.fake.reply("vote", "[]")
    river.run("/vote/")
    river.fake.post("vote", hours(1))
    for at in (2, 4):
        articles, _ = river.run("/vote/", at=hours(at))
        assert (len(articles), len(river.asked)) == (1, 1)


def test_another_path_of_a_slug_is_tried_when_the_first_is_no_post(river):
    river.fake.post("vote", link="https://river.example/x/vote/")
    river.run("/vote/", "/x/vote/")
    river.run("/vote/", "/x/vote/", at=hours(2))
    assert len(river.run("/vote/", "/x/vote/", at=hours(4))[0]) == 1


@pytest.mark.parametrize(
    "answer", [PageError("not_found", "status 404"), PageResponse("river.example", "/", b"<html>")]
)
def test_an_api_that_is_switched_off_says_nothing_about_articles(river, answer):
    river.store("vote", hours(-1), hours(-2), path="/vote/")
    for slug in ("vote", "new"):
        river.fake.answers[adapter_of(RIVER).target(slug, "")] = answer
    for at in (0, 2, 4, 6):
        articles, counts = river.run("/vote/", "/new/", at=hours(at))
        assert articles["external_id"].tolist() == ["vote"]
        assert list(counts["errors"].values()) == [2]
        assert len(river.asked) == 2


def test_a_post_that_is_withdrawn_is_gone_after_three_runs(river):
    river.store("vote", hours(-1), hours(-2), path="/vote/")
    river.fake.reply("vote", "[]")
    given_rows = [len(river.run("/vote/", at=hours(at))[0]) for at in (0, 2, 4)]
    assert given_rows == [1, 1, 0]


def test_a_site_that_links_elsewhere_is_a_wrong_setting_not_a_wrong_path(river):
    river.fake.post("vote", link="https://elsewhere.example/vote/")
    for at in (0, 2, 4):
        assert river.run("/vote/", at=hours(at))[1]["errors"] == {"wrong_site": 1}


def test_a_publication_may_be_long_ago_or_announced(wcp):
    times = {"1": datetime(1690, 9, 25, tzinfo=UTC), "2": hours(48), "3": datetime(2990, 1, 1, tzinfo=UTC)}
    for external_id, published in times.items():
        wcp.fake.page(f"/article/{external_id}/a/", published=published)
    wcp.fake.page("/article/4/a/", published=datetime(9999, 12, 31, tzinfo=UTC))
    for at in (NOON, hours(2)):
        articles, counts = wcp.run(*[f"/article/{each}/a/" for each in "1234"], at=at)
        assert articles.set_index("external_id")["published_at"].to_dict() == times
        assert counts["errors"] == {"no_published_at": 1}
    assert sorted(wcp.asked) == ["/article/2/a/", "/article/3/a/", "/article/4/a/"]
    weights = get_weights(articles.set_index("external_id")["published_at"], NOON, 30)
    assert weights.round(6).tolist() == [0, 1, 1]

"""The Demo Gazette: its archive is made when needed, its pages are like those of a real site."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import yaml

from deploy.demo.articles import gazette
from deploy.demo.articles.gazette import ENTRY, SITE, Article
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters import adapter_of
from include.articles.sites.adapters.base import PageError, PageRequest, PageResponse
from include.articles.sites.configuration import Site, SitesError, load_sites
from include.core.storage import read_json, write_json
from tests.deploy.test_demo import console, text

DAY = "2026-03-09T08:00:00+00:00"
PLAIN = Article("11", "Ferry & Bike <Lane> Reopen", "transit", "ferry-reopens", DAY)
GONE = Article("12", "Mayor Sleeps", "city hall", "mayor-sleeps", DAY, gazette.GONE)
SPONSORED = Article("13", "Buy a Bed", "food", "buy-a-bed", DAY, gazette.SPONSORED)
UNDATED = Article("14", "Choir Sings", "music", "choir-sings", DAY, gazette.UNDATED)


@pytest.fixture
def made(home, monkeypatch):
    """Build small archives, and return when each ends."""
    ends = []
    make = gazette.generate.make

    def small(days: int, end: datetime):
        ends.append(end)
        return make(articles=30, readers=20, events=500, days=days, end=end)

    monkeypatch.setattr(gazette.generate, "make", small)
    return ends


@pytest.fixture(scope="module")
def site():
    """Yield a client of the site."""
    with gazette.serve([PLAIN, GONE, SPONSORED, UNDATED]) as address, httpx.Client(base_url=address) as http:
        yield http


def parsed(site: httpx.Client, article: Article, path: str | None = None):
    """Read a page as the pipeline does."""
    adapter = adapter_of(Site(name=SITE, domain="demo-gazette.example", kind="washington_city_paper"))
    path = path or article.path
    answer = site.get(adapter.target(article.external_id, path), follow_redirects=True).raise_for_status()
    reply = PageResponse(answer.url.host, answer.url.path, answer.content, answer.charset_encoding)
    return adapter.validate(PageRequest(article.external_id, path, path), reply, adapter.parse(reply))


@pytest.mark.parametrize(
    "path",
    [
        None,
        "/article/11/ferry/",
        "/v/s/demo-gazette.example/article/11/ferry-reopens/",
        "/article/11/ferry-reopens/?fbclid=IwAR0",
        "/article/11/ferry",
    ],
)
def test_a_page_says_title_time_and_path_whatever_leads_to_it(site, path):
    found = parsed(site, PLAIN, path)
    assert (found.external_id, found.title, found.path) == ("11", "Ferry & Bike <Lane> Reopen", PLAIN.path)
    assert found.published_at == datetime(2026, 3, 9, 8, tzinfo=UTC)
    assert found.excluded_reason is None


def test_an_old_slug_leads_to_the_one_of_today(site):
    answer = site.get("/article/11/ferry/")
    assert (answer.status_code, answer.headers["location"]) == (301, "/article/11/ferry-reopens/")


def test_what_is_wrong_with_a_page_shows(site):
    assert site.get(GONE.path).status_code == 404
    assert parsed(site, SPONSORED).excluded_reason is not None
    assert parsed(site, UNDATED).published_at is None
    assert parsed(site, UNDATED).title == "Choir Sings"


@pytest.mark.parametrize("path", ["/", "/article/99/ferry-reopens/", "/article/11/", "/news/article/11/ferry-reopens/"])
def test_there_is_nothing_else(site, path):
    assert site.get(path).status_code == 404


def test_a_page_of_another_article_is_not_taken(site):
    with pytest.raises(PageError, match="not the article"):
        parsed(site, UNDATED, PLAIN.path)


def test_it_is_over_with_the_demo():
    with gazette.serve([PLAIN]) as address:
        assert httpx.get(address + PLAIN.path).is_success
    with pytest.raises(httpx.ConnectError):
        httpx.get(address + PLAIN.path)


def test_archive_and_site_are_made_once(home, made):
    shown = console()
    gazette.provide(shown)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    gazette.provide(shown)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()} == before
    assert text(shown) == ""
    assert len(made) == 1
    site = load_sites(ArticleSettings.load())[SITE]
    assert gazette.is_known()
    assert site.parameters == {"ga_data_bucket": gazette.events_url(), "days_of_data": 14}
    assert gazette.events_url() == f"file://{home}/data/demo-gazette/events"
    assert list((home / "data/demo-gazette/events/enriched/good").glob("*/*/*/*/*.gz"))


def test_the_archive_tells_what_the_site_serves_and_when_it_ends(home, made):
    gazette.provide(console())
    found = gazette.load()
    assert found is not None
    assert made == [found.end]
    assert timedelta(0) <= datetime.now(UTC) - found.end < timedelta(minutes=1)
    faults = [article.fault for article in found.articles]
    assert [each for each in faults if each] == list(gazette.FAULTS)
    assert len(faults) == 30


@pytest.mark.parametrize("days", [-2, 2])
def test_an_archive_of_other_days_is_made_anew(home, made, days):
    gazette.provide(console())
    file = home / "data/demo-gazette/gazette.json"
    write_json(file, {**read_json(file), "end": (datetime.now(UTC) + timedelta(days=days)).isoformat()})
    rest = home / "data/demo-gazette/events/enriched/good/old.gz"
    rest.write_bytes(b"")
    gazette.provide(console())
    assert len(made) == 2
    assert not rest.exists()


def test_an_archive_that_was_not_finished_is_made_anew(home, made):
    gazette.provide(console())
    (home / "data/demo-gazette/gazette.json").unlink()
    assert gazette.load() is None
    gazette.provide(console())
    assert gazette.load() is not None


@pytest.mark.parametrize(
    "own", ["", "# mine\nours: &a {kind: washington_city_paper, domain: ours.example}", "# only a note\n"]
)
def test_a_file_of_the_users_keeps_every_letter(home, made, own):
    (home / "sites.yaml").write_text(own)
    gazette.provide(console())
    extended = (home / "sites.yaml").read_text()
    assert extended.startswith(own)
    assert yaml.safe_load(extended).keys() == (yaml.safe_load(own) or {}).keys() | {SITE}
    gazette.provide(console())
    assert (home / "sites.yaml").read_text() == extended


@pytest.mark.parametrize(
    "own",
    [
        "{ours: {kind: washington_city_paper, domain: ours.example}}\n",
        "  ours: {kind: washington_city_paper, domain: ours.example}\n",
    ],
)
def test_a_file_that_cannot_be_extended_is_left_alone(home, made, own):
    (home / "sites.yaml").write_text(own)
    shown = console()
    gazette.provide(shown)
    assert (home / "sites.yaml").read_text() == own
    assert "leaves article recommendations out" in text(shown)
    assert "demo-gazette:" in text(shown)
    assert not gazette.is_known()
    assert not (home / "data").exists()


def test_the_users_own_word_about_the_site_counts(home, made):
    own = ENTRY.format(domain="d.example", events="file:///elsewhere", days=3).replace(
        "enabled: true", "enabled: false"
    )
    (home / "sites.yaml").write_text(own)
    gazette.provide(console())
    assert (home / "sites.yaml").read_text() == own
    assert not gazette.is_known()


def test_a_file_elsewhere_is_the_users(home, made, monkeypatch, tmp_path_factory):
    file = tmp_path_factory.mktemp("elsewhere") / "others.yaml"
    file.write_text("")
    monkeypatch.setenv("ARTICLE_RECS_SITES_FILE", str(file))
    shown = console()
    gazette.provide(shown)
    assert f"{file} is yours" in text(shown)
    assert file.read_text() == ""
    assert not (home / "sites.yaml").exists()
    file.write_text(ENTRY.format(domain="d.example", events=json.dumps(gazette.events_url()), days=14))
    gazette.provide(console())
    assert gazette.is_known()
    assert gazette.load() is not None


def test_a_broken_file_is_told_not_extended(home, made):
    (home / "sites.yaml").write_text("ours: [")
    with pytest.raises(SitesError, match=r"sites\.yaml"):
        gazette.provide(console())
    assert (home / "sites.yaml").read_text() == "ours: ["

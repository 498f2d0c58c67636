"""Which sites there are, how they are configured, and when they run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from include.articles.events.records import READERS
from include.articles.settings import ArticleSettings
from include.articles.sites.adapters import extract_external_id
from include.articles.sites.configuration import NEVER, Events, Site, SitesError, find_site, load_sites, schedules

WCP = "washington-city-paper"
BLOG: dict[str, Any] = {"kind": "wordpress", "domain": "river.example", "path_pattern": r"/\d{4}/(?P<slug>[^/]+)/?"}


@pytest.fixture
def own(home: Path):
    """Return a function that writes the user's file and reads all sites."""

    def load(content: object) -> dict[str, Site]:
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        (home / "sites.yaml").write_text(text)
        return load_sites(ArticleSettings())

    return load


def sites(*enabled: bool, schedule: str | None = None) -> dict[str, Site]:
    fields = BLOG | ({"schedule": schedule} if schedule else {})
    return {f"s{n}": Site(name=f"s{n}", enabled=each, **fields) for n, each in enumerate(enabled)}


def test_the_shipped_site_is_slow_and_not_enabled(home):
    found = load_sites(ArticleSettings())
    assert list(found) == [WCP]
    site = found[WCP]
    assert (site.concurrent_requests, site.requests_per_second, site.attempts) == (1, 2, 3)
    assert (site.base_url, site.user_agent) == ("https://washingtoncitypaper.com", "article-rec-training-job/1.0.0")
    assert site.dag_id == "article_recs__washington_city_paper"
    assert schedules(found) == {WCP: None}


def test_a_file_of_ones_own_changes_key_by_key(own):
    found = own({WCP: {"enabled": True, "parameters": {"days_of_data": 7}}, "river": BLOG})
    assert list(found) == [WCP, "river"]
    assert found[WCP].enabled
    assert found[WCP].requests_per_second == 2
    assert found[WCP].parameters == {"days_of_data": 7}
    assert found["river"].base_url == "https://river.example"


def test_the_file_may_be_named_and_must_be_there_then(home, tmp_path):
    path = tmp_path / "others.yaml"
    settings = ArticleSettings(sites_file=str(path))
    with pytest.raises(SitesError, match=r"others\.yaml: a readable file was expected, found: No such file"):
        load_sites(settings)
    path.write_text(yaml.safe_dump({"river": BLOG}))
    assert "river" in load_sites(settings)


def test_an_empty_file_adds_nothing(own):
    assert list(own("# nothing yet\n")) == [WCP]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"sites\.yaml: sites by name were expected, found a list of 0"),
        ("{a: [", r"sites\.yaml: YAML was expected"),
        ("a\n: b: c", r"sites\.yaml: YAML was expected"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_named(own, content, message):
    with pytest.raises(SitesError, match=message):
        own(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", r"sites\.yaml, site a: YAML was expected"),
        ("river:", r"sites\.yaml, site river: keys with values were expected, found None"),
        ("7: {}", "site 7: keys with values were expected"),
        ("river: {kind: wordpress}\nriver: {kind: wordpress}", "'river' occurs twice"),
        ("river: {lang: de, lang: en}", "'lang' occurs twice"),
        ({"river": {"kind": "wordpress", "path_pattern": "(?P<slug>.)"}}, "site river, domain: Field required"),
        ({"river": BLOG | {"kind": "drupal"}}, "site river, kind: Input should be .*, found 'drupal'"),
        (
            {"river": BLOG | {"speed": 2}},
            "site river, speed: there is no such key; these are: domain, .*, found 2",
        ),
        ({"River!": BLOG}, "site River!, name: String should match pattern"),
        ({"river": BLOG | {"name": "other"}}, "site river: the name is the key of the site"),
        ({"river": BLOG | {"schedule": "0 */2 * *"}}, "site river, schedule: a cron expression of five fields"),
        ({"river": BLOG | {"schedule": "0 25 * * *"}}, "site river, schedule: a cron expression of five fields"),
        ({"river": BLOG | {"schedule": "0 0 31 2 *"}}, "site river, schedule: there is no such day, found '0 0 31 2"),
        ({"river": BLOG | {"schedule": "0 0 30 2,2 *"}}, "site river, schedule: there is no such day"),
        ("river: {lang: no}", "site river, lang: .*string, found False; put it in quotes"),
        ({"river": BLOG | {"base_url": "https://[::1"}}, "site river, base_url: a URL was expected: Invalid IPv6 URL"),
        (
            {"river": BLOG | {"base_url": "http://river.example:70000"}},
            "river, base_url: a URL was expected: Port",
        ),
        ({"river": BLOG | {"parameters": {"ga_data_bucket": "/srv/events"}}}, "ga_data_bucket: .*found '/srv/events'"),
        ({"river": BLOG | {"parameters": {"ga_data_bucket": "s3://no_!"}}}, "ga_data_bucket: .*found 's3://no_!'"),
        ({"river": BLOG | {"parameters": {"site_base_url": "http://[x"}}}, "site_base_url: .*found 'http://"),
        ({"river": BLOG | {"requests_per_second": 0}}, "site river, requests_per_second: .*greater than 0, found 0"),
        ({"river": BLOG | {"base_url": "ftp://river.example"}}, "site river, base_url: String should match pattern"),
        ({"river": BLOG | {"base_url": "https://me:secret@river.example"}}, "site river, base_url"),
        ({"river": BLOG | {"user_agent": "a\nb"}}, "site river, user_agent"),
        ({"river": BLOG | {"path_pattern": "/("}}, "site river, path_pattern: a regular expression was expected"),
        ({"river": BLOG | {"path_pattern": "/.*"}}, r"site river, path_pattern: a group \(\?P<slug>…\) was expected"),
        ({"river": BLOG | {"path_pattern": None}}, "site river: a site of kind wordpress needs path_pattern"),
        ({WCP: {"lang": "en"}}, f"site {WCP}: only sites of kind wordpress have path_pattern and lang"),
        ({"river": BLOG | {"parameters": {"factor": 1}}}, "site river, parameters: not a parameter: factor; allowed: "),
        ({"river": BLOG | {"parameters": {"cache_seconds": 1}}}, "not a parameter: cache_seconds"),
        ({"river": BLOG | {"parameters": {"days_of_data": 0}}}, "parameters: days_of_data: .*equal to 1, found 0"),
        ({"river": BLOG | {"parameters": {"recs_half_life_days": "soon"}}}, "recs_half_life_days: .*found 'soon'"),
    ],
)
def test_what_is_wrong_is_named_with_file_site_and_key(own, content, message):
    [error] = own(content).errors.values()
    with pytest.raises(SitesError, match=message):
        raise error


def test_all_that_is_wrong_with_a_site_is_said_at_once(own):
    [error] = own({"river": BLOG | {"attempts": 0, "timeout_seconds": -1}}).errors.values()
    assert [line.partition("site ")[2].partition(":")[0] for line in str(error).splitlines()] == [
        "river, attempts",
        "river, timeout_seconds",
    ]


GOOD = "lake: {kind: wordpress, domain: lake.example, path_pattern: '/(?P<slug>.+)', enabled: true}\n"


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ("bad: {domain: x}", "bad"),
        ("bad: {kind: washington_city_paper, domain: x, schedul: never}", "bad"),
        ("bad: {kind: wordpress, domain: x.example, path_pattern: '('}", "bad"),
        ("bad:", "bad"),
        ("bad: [1]", "bad"),
        ("bad:\n  domain: [x\n", "bad"),
        ("bad:\n  domain: x\n   kind: y\n", "bad"),
        ("bad:\n\tdomain: x\n", "bad"),
        ("bad: {domain: x, domain: y}", "bad"),
        ("bad: {domain: x}\nbad: {domain: y}", "bad"),
        ("'bad': *there", "bad"),
        ("bad: {\x01: 1}", "bad"),
        ("Bad Site!: {domain: x}", "bad-site-"),
        ("7: {domain: x}", "7"),
        ("no: {domain: x}", "false-"),
        (f"{WCP}: {{enabled: 17}}", WCP),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_site_that_is_not_valid_costs_only_itself(own, bad, name, first):
    found = own(f"{bad}\n{GOOD}" if first else f"{GOOD}{bad}\n")
    assert found["lake"].enabled
    assert (WCP in found) is (name != WCP)
    [wrong] = found.errors
    assert wrong.startswith(name)
    with pytest.raises(SitesError, match=r"sites\.yaml, site "):
        find_site(found, wrong)
    assert re.fullmatch(r"article_recs__[a-z0-9_]+", found.of_dags[wrong].dag_id)
    assert schedules(found.of_dags).keys() == {WCP, "lake", wrong}


def test_the_dag_of_a_site_that_is_not_valid_keeps_the_schedule_that_is(own):
    own_keys = {"enabled": True, "schedule": "7 6 * * *", "run_timeout_minutes": 300, "parameters": {"days_of_data": 7}}
    found = own({"river": BLOG | own_keys | {"attempts": 0}, "off": {}, "odd": BLOG | {"enabled": True, "schedule": 5}})
    assert schedules(found.of_dags) == {WCP: None, "river": "7 6 * * *", "off": None, "odd": "0 */2 * * *"}
    river = found.of_dags["river"]
    assert (river.run_timeout_minutes, river.parameters) == (300, {"days_of_data": 7})


def test_a_file_may_begin_with_a_byte_order_mark(home):
    (home / "sites.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert "lake" in load_sites(ArticleSettings())


def test_parameters_are_as_json_takes_them(own):
    text = "{days_of_data: '7', recs_half_life_days: .inf, metadata_backfill_before: 2026-01-31, save_figures: yes}"
    found = own(f"{WCP}: {{parameters: {text}}}")
    assert found[WCP].parameters == {
        "days_of_data": 7,
        "recs_half_life_days": "inf",
        "metadata_backfill_before": "2026-01-31",
        "save_figures": True,
    }


def test_an_unknown_site_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(SitesError, match="one of s0, s1; found 'river'"):
        find_site(sites(True, False), "river")


@pytest.mark.parametrize(
    ("enabled", "expected"),
    [
        ([True], ["0 */2 * * *"]),
        ([True, True], ["0 */2 * * *", "30 */2 * * *"]),
        ([True, False, True, True], ["0 */2 * * *", None, "20 */2 * * *", "40 */2 * * *"]),
        ([True] * 7, [f"{minute} */2 * * *" for minute in (0, 8, 16, 24, 32, 40, 48)]),
    ],
)
def test_sites_do_not_all_begin_at_once(enabled, expected):
    assert list(schedules(sites(*enabled)).values()) == expected


def test_many_sites_still_have_a_valid_minute():
    minutes = [int(each.split()[0]) for each in schedules(sites(*[True] * 70)).values() if each]
    assert minutes == [*range(60), *range(10)]


def test_a_schedule_of_its_own_is_left_alone():
    mixed = sites(True) | {"own": Site(name="own", enabled=True, schedule="7 6 * * *", **BLOG)}
    mixed["hand"] = Site(name="hand", enabled=True, schedule=NEVER, **BLOG)
    mixed["off"] = Site(name="off", schedule="7 6 * * *", **BLOG)
    assert schedules(mixed) == {"s0": "0 */2 * * *", "own": "7 6 * * *", "hand": None, "off": None}


@pytest.mark.parametrize(
    ("path", "external_id"),
    [
        ("/article/101/alpha/", "101"),
        ("/article/00101/alpha/", "101"),
        ("/article/000/alpha/", "0"),
        ("/v/s/washingtoncitypaper.com/article/5/x", "5"),
        ("/c/s/washingtoncitypaper.com/article/5/x", "5"),
        ("/article/101/alpha/?fbclid=1", "101"),
        ("/article/101/x y", "101"),
        ("/article/101/", None),
        ("/article/101/ ", None),
        ("/article/101", None),
        ("/", None),
        ("", None),
        ("/news/", None),
        ("/food/article/20830693/x/", None),
        ("/article/emailnewsletter/x/", None),
        ("/v/s/washingtoncitypaperXcom/article/5/x", None),
        ("/Article/5/x", None),
        ("/article/٣/x", None),
        (f"/article/1{'0' * 200}/x", None),
        (None, None),
        (float("nan"), None),
    ],
)
def test_the_article_of_a_path_of_washington_city_paper(path, external_id):
    assert extract_external_id(WCP, path) == external_id


@pytest.mark.parametrize(
    ("path", "external_id"),
    [
        ("/2026/council-votes/", "council-votes"),
        ("/2026/council-votes", "council-votes"),
        ("/2026/council-votes/?fbclid=1#top", "council-votes"),
        ("/2026/caf%C3%A9/", "caf%c3%a9"),
        ("/2026/caf%c3%a9/", "caf%c3%a9"),
        ("/2026/café/", "caf%c3%a9"),
        ("/2026/council-votes/print/", None),
        ("/en/2026/council-votes/", None),
        ("/2026//", None),
        (f"/2026/{'a' * 201}/", None),
        (None, None),
    ],
)
def test_the_article_of_a_path_of_a_wordpress_site(path, external_id):
    assert extract_external_id(Site(name="river", **BLOG), path) == external_id


def test_the_rule_of_a_site_that_is_not_shipped_cannot_be_had_by_name():
    with pytest.raises(SitesError, match=f"one of {WCP}; found 'river'"):
        extract_external_id("river", "/")


@given(st.text())
def test_any_text_has_an_id_that_a_database_takes_or_none(text):
    for site, path in ((WCP, f"/article/1{text}"), (Site(name="river", **BLOG), f"/2026/{text}")):
        found = extract_external_id(site, path)
        assert found is None or (found.isascii() and found.isprintable() and 0 < len(found) <= 200)


def test_a_site_is_the_same_after_its_rule_was_used():
    first, second = Site(name="river", **BLOG), Site(name="river", **BLOG)
    extract_external_id(first, "/2026/x/")
    assert first == second


def test_a_dag_file_may_import_it():
    heavy = {"pandas", "numpy", "httpx", "selectolax", "sqlalchemy", "airflow"}
    code = f"import sys, include.articles.sites.configuration; print(*{heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_format_of_the_events_is_one_of_those_that_are_read(own):
    found = own({"river": BLOG | {"events": {"format": "tsv"}}, "lake": BLOG})
    assert (found["river"].events.format, found["lake"].events.format) == ("tsv", "amp")
    assert set(get_args(Events.model_fields["format"].annotation)) == set(READERS)
    for wrong in ({"format": "csv"}, {"form": "tsv"}, "tsv"):
        found = own({"river": BLOG | {"events": wrong}})
        with pytest.raises(SitesError, match=r"river, events"):
            find_site(found, "river")

"""The generated site: deterministic, with the layout and dirt of a real archive, with something to learn."""

import gzip
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from deploy.demo.articles import generate
from include.articles.sites.adapters import adapter_of
from include.articles.sites.configuration import Site

END = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
KEY = re.compile(
    r"enriched/good/(\d{4})/(\d{2})/(\d{2})/(\d{2})/"
    r"DemoGazette\S+-1-\1-\2-\3-\4-\d{2}-\d{2}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.gz"
)
ADAPTER = adapter_of(Site(name="demo-gazette", domain=generate.DOMAIN, kind="washington_city_paper"))


def small(**changed) -> generate.NewsSite:
    return generate.make(**{"articles": 40, "readers": 100, "events": 4000, "days": 4, "end": END, **changed})


@pytest.fixture(scope="module")
def site() -> generate.NewsSite:
    return small()


@pytest.fixture(scope="module")
def archive(site, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    generate.write(site, folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def lines(folder: Path) -> list[str]:
    return [line for data in files(folder).values() for line in gzip.decompress(data).decode().splitlines()]


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in lines(folder) if line not in generate.MALFORMED]


def ids(site: generate.NewsSite) -> pd.Series:
    return site.events["path"].map(lambda path: path and ADAPTER.external_id(path))


def test_the_same_arguments_give_the_same_bytes(archive, tmp_path):
    generate.write(small(), tmp_path / "again")
    assert files(tmp_path / "again") == files(archive)
    generate.write(small(seed=8), tmp_path / "other")
    assert files(tmp_path / "other") != files(archive)


def test_an_archive_of_another_day_has_other_articles(site):
    later = small(end=END + timedelta(days=1))
    assert not set(later.articles["external_id"]) & set(site.articles["external_id"])


def test_objects_lie_where_the_hour_of_delivery_says(site, archive):
    found = files(archive)
    assert all(KEY.fullmatch(name) for name in found)
    hours = {name[14:27] for name in found}
    assert len(hours) == len(found) == 3 * 24 + 13
    assert min(hours) == "2026/03/07/00"
    assert max(hours) == "2026/03/10/12"
    for name, data in found.items():
        delivered = [
            json.loads(line)["etl_tstamp"] for line in gzip.decompress(data).splitlines() if b"etl_tst" in line
        ]
        assert {each[:13].replace("-", "/").replace("T", "/") for each in delivered} == {name[14:27]}


def test_every_line_is_an_event_or_counted_as_broken(site, archive):
    assert Counter(line for line in lines(archive) if line in generate.MALFORMED) == dict.fromkeys(
        generate.MALFORMED, 1
    )
    found = records(archive)
    assert len(found) == len(site.events)
    for record in found:
        at = datetime.fromisoformat(record["collector_tstamp"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["collector_tstamp"])
        assert datetime(2026, 3, 7, tzinfo=UTC) <= at < datetime.fromisoformat(record["etl_tstamp"]) < END
        path = record["page_urlpath"]
        assert record["page_url"] == f"https://{generate.DOMAIN}{path or ''}"
        clients = record.get("contexts_dev_amp_snowplow_amp_id_1")
        assert clients is None or re.fullmatch(r"amp-[\w-]{22}", clients[0]["ampClientId"])
        ping = record.get("unstruct_event_dev_amp_snowplow_amp_page_ping_1")
        assert record["event_name"] == ("page_view" if ping is None else "amp_page_ping")
        assert ping is None or ping["totalEngagedTime"] % 10 == 0


def test_it_has_the_dirt_of_a_real_archive(site):
    events, external = site.events, ids(site)
    paths = events["path"].dropna()
    assert events["client_id"].isna().any()
    assert events["path"].isna().any()
    assert events["event_id"].duplicated().any()
    assert paths.str.contains("emailnewsletter").any()
    assert paths.str.contains("?fbclid=", regex=False).any()
    assert paths.isin(generate.PAGES).any()
    assert 0.1 < paths.str.startswith("/v/s/").mean() < 0.3
    assert (events["delivered_at"] - events["at"] > timedelta(hours=1)).any()
    assert external.dropna().isin(site.articles["external_id"]).all()
    assert 0.85 < external.notna().mean() < 0.99


def test_an_article_is_read_after_its_publication_under_its_names(site):
    articles = site.articles.set_index("external_id")
    events = site.events.assign(external_id=ids(site)).dropna(subset="external_id")
    read = articles.loc[events["external_id"]].reset_index(drop=True)
    assert (read["published_at"].to_numpy() < events["at"].to_numpy()).all()
    slugs = events["path"].str.extract(r"/article/\d+/([^/]+)")[0].reset_index(drop=True)
    assert ((slugs == read["slug"]) | (slugs == read["old_slug"])).all()
    assert (slugs == read["old_slug"]).any()


def test_a_ping_comes_every_ten_seconds(site):
    pings = site.events.drop_duplicates("event_id").sort_values("at")
    gaps = pings.groupby(["client_id", "path"])["at"].diff().dt.total_seconds()
    assert gaps.median() == pytest.approx(10, abs=0.5)


def test_readers_prefer_their_planted_topic():
    site = generate.make(end=END)
    topics = site.articles.set_index("external_id")["topic"]
    read = site.events.assign(topic=ids(site).map(topics)).dropna(subset=["topic", "client_id"])
    own = read["client_id"].map(site.readers.set_index("client_id")["topic"])
    assert 0.93 < (own == read["topic"]).mean() < 0.99
    assert len(site.events) == pytest.approx(60_000, rel=0.05)
    assert read["client_id"].nunique() > 1200
    assert site.readers["topic"].nunique() == site.articles["topic"].nunique() == len(generate.TOPICS)


def test_a_title_tells_the_topic_and_is_there_once():
    articles = generate.make(articles=1000, readers=1, events=1, end=END).articles
    assert articles["title"].is_unique
    assert articles["external_id"].is_unique
    assert articles["published_at"].is_monotonic_increasing
    assert articles["published_at"].max() < END
    for _, article in articles.iterrows():
        who = generate.TOPICS[article["topic"]].partition(":")[0].split(",")
        assert any(f" {each} " in article["title"] for each in who)
        assert article["title"] == article["title"].strip()
        assert re.fullmatch(r"[a-z0-9-]+", article["slug"])


def test_a_tiny_site_can_be_made(tmp_path):
    site = generate.make(articles=6, readers=1, events=1, days=1, end=END)
    assert len(site.articles) == 6
    assert generate.write(site, tmp_path) == len(files(tmp_path)) <= 1

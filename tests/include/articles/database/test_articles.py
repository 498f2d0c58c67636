"""Stored articles, and paths that are not articles."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.articles.database import articles
from include.articles.sites.adapters.base import Metadata
from include.core.database.engine import open_engine
from tests.include.articles.database.conftest import NOON, SITE, hours

OTHER = "texas-tribune"


def article(external_id: str, title: str = "Title", published_at: datetime | None = NOON, **more) -> Metadata:
    return Metadata(external_id, title, f"/article/{external_id}/x/", published_at, **more)


def test_what_is_stored_is_read(db):
    published = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-6)))
    found = [article("1", "Amélie 🎬 中文", published), article("2", excluded_reason="tag-exclude")]
    articles.upsert(db.engine, SITE, found, NOON)
    known = articles.read(db.engine, SITE, ["1", "2", "3"])
    assert sorted(known) == ["1", "2"]
    assert known["1"] == articles.StoredArticle(
        known["1"].id, "1", "Amélie 🎬 中文", "/article/1/x/", published, None, 0, NOON
    )
    assert known["1"].published_at.utcoffset() == timedelta(0)
    assert known["2"].excluded_reason == "tag-exclude"
    assert articles.ids(db.engine, SITE, ["2", "3"]) == {"2": known["2"].id}


def test_known_articles_are_updated(db):
    articles.upsert(db.engine, SITE, [article("1", excluded_reason="tag-exclude"), article("2")], NOON)
    before = articles.read(db.engine, SITE, ["1", "2"])
    articles.upsert(db.engine, SITE, [replace(article("1", "New", None), path="/new/")], hours(2))
    after = articles.read(db.engine, SITE, ["1", "2"])
    assert after["1"] == replace(before["1"], title="New", path="/new/", excluded_reason=None, updated_at=hours(2))
    assert after["2"] == before["2"]
    [created] = db.rows("SELECT count(DISTINCT created_at) FROM article")
    assert created[0] == 1


def test_sites_may_have_the_same_ids(db):
    articles.upsert(db.engine, SITE, [article("1", "one")], NOON)
    articles.upsert(db.engine, OTHER, [article("1", "other")], NOON)
    articles.note_missing(db.engine, OTHER, ["1"], hours(1), hours(1), limit=1)
    [one], [other] = (articles.read(db.engine, site, ["1"]).values() for site in (SITE, OTHER))
    assert one.id != other.id
    assert (one.title, one.excluded_reason) == ("one", None)
    assert (other.title, other.excluded_reason) == ("other", "gone")


def test_many_articles_are_stored_and_read_in_parts(db, monkeypatch):
    monkeypatch.setattr(articles, "PART_ROWS", 7)
    names = [str(number) for number in range(50)]
    articles.upsert(db.engine, SITE, map(article, names), NOON)
    assert sorted(articles.read(db.engine, SITE, iter(names))) == sorted(names)
    articles.note_missing(db.engine, SITE, iter(names), hours(1), hours(1))
    assert {known.missing_count for known in articles.read(db.engine, SITE, names).values()} == {1}


def test_nothing_is_stored_and_read(db):
    articles.upsert(db.engine, SITE, [], NOON)
    articles.reject_paths(db.engine, SITE, [], NOON)
    assert articles.read(db.engine, SITE, []) == {}
    assert articles.rejected_paths(db.engine, SITE, [], NOON) == set()


BATCHES = st.lists(
    st.builds(
        Metadata,
        st.sampled_from("123"),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["/a/", "/b/"]),
        st.none() | st.sampled_from([NOON, hours(-24)]),
        st.none() | st.just("tag-exclude"),
    ),
    max_size=8,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=BATCHES, batch=BATCHES)
def test_a_batch_with_repeats_is_stored_like_one_after_the_other(db, stored, batch):
    contents = []
    for site, parts in ((SITE, [batch]), (OTHER, [[each] for each in batch])):
        db.execute("DELETE FROM article")
        articles.upsert(db.engine, site, stored, NOON)
        for part in parts:
            articles.upsert(db.engine, site, part, hours(1))
        known = articles.read(db.engine, site, "123")
        contents.append({external_id: replace(each, id=0) for external_id, each in known.items()})
    assert contents[0] == contents[1]


def test_workers_may_store_the_same_articles_at_once(db):
    names = [str(number) for number in range(200)]

    def store(worker: int) -> None:
        with open_engine(db.url) as engine:
            order = names if worker % 2 else names[::-1]
            for _ in range(3):
                articles.upsert(engine, SITE, [article(name, str(worker)) for name in order], NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store, range(4)))
    assert len(articles.read(db.engine, SITE, names)) == 200
    assert db.rows("SELECT count(*) FROM article") == [(200,)]


BAD = ["a\0b", "x" * 2_001, "é" * 1_001, "\ud800"]


@pytest.mark.parametrize("bad", BAD)
def test_what_no_index_takes_is_left_out(db, caplog, bad):
    good = article("1")
    articles.upsert(db.engine, SITE, [good, article(bad), replace(article("2"), path=bad)], NOON)
    articles.note_missing(db.engine, SITE, [bad], hours(1), hours(1))
    assert list(articles.read(db.engine, SITE, ["1", "2", bad])) == ["1"]
    assert caplog.text.count("is not stored") == 2
    articles.reject_paths(db.engine, SITE, [("/a/", "no_external_id"), (bad, "no_external_id")], hours(-24))
    assert articles.rejected_paths(db.engine, SITE, ["/a/", bad], NOON) == {"/a/"}
    articles.forget_paths(db.engine, SITE, [bad])


def test_the_longest_keys_are_stored(db):
    incompressible = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(666))
    long = replace(article(incompressible), path=incompressible)
    articles.upsert(db.engine, SITE, [long], NOON)
    articles.reject_paths(db.engine, SITE, [(incompressible, "no_external_id")], NOON)
    assert articles.read(db.engine, SITE, [incompressible])[incompressible].path == incompressible


def test_what_is_no_text_in_a_title_is_replaced(db):
    articles.upsert(db.engine, SITE, [article("1", "a\0b\ud800c")], NOON)
    assert articles.read(db.engine, SITE, ["1"])["1"].title == "ab?c"


def missing(db) -> tuple[int, str | None]:
    known = articles.read(db.engine, SITE, ["1"])["1"]
    return known.missing_count, known.excluded_reason


def test_an_article_that_is_missing_in_three_runs_is_gone(db):
    articles.upsert(db.engine, SITE, [article("1")], NOON)
    for run, expected in ((2, (1, None)), (4, (2, None)), (6, (3, "gone")), (8, (4, "gone"))):
        for late in (0.1, 0.5, 1.5):  # tried three times
            articles.note_missing(db.engine, SITE, ["1", "unknown"], hours(run), hours(run + late))
            assert missing(db) == expected
    articles.upsert(db.engine, SITE, [article("1")], hours(9))
    assert missing(db) == (0, None)
    assert articles.read(db.engine, SITE, ["unknown"]) == {}


def test_a_run_counts_once_though_the_schedulers_clock_is_ahead(db):
    articles.upsert(db.engine, SITE, [article("1")], NOON)
    for _ in range(2):
        articles.note_missing(db.engine, SITE, ["1"], hours(2), hours(1.9))
    assert missing(db) == (1, None)


def test_an_old_run_that_is_run_again_does_not_count(db):
    articles.upsert(db.engine, SITE, [article("1")], NOON)
    articles.note_missing(db.engine, SITE, ["1"], hours(-24), hours(3))
    assert missing(db) == (0, None)


def test_another_reason_stays_when_an_article_is_gone(db):
    articles.upsert(db.engine, SITE, [article("1", excluded_reason="tag-exclude")], NOON)
    articles.note_missing(db.engine, SITE, ["1"], hours(2), hours(2), limit=1)
    assert missing(db) == (1, "tag-exclude")


@pytest.mark.parametrize("reason", ["retracted", "", "Tag_Exclude"])
def test_an_editors_exclusion_stays(db, reason):
    articles.upsert(db.engine, SITE, [article("1"), article("2")], NOON)
    db.execute(f"UPDATE article SET excluded_reason = '{reason}' WHERE external_id = '1'")
    for hour, of_site in ((2, None), (4, "tag_exclude"), (6, None)):
        articles.upsert(db.engine, SITE, [article("1", str(hour), excluded_reason=of_site), article("2")], hours(hour))
        known = articles.read(db.engine, SITE, ["1", "2"])
        assert (known["1"].title, known["1"].excluded_reason) == (str(hour), reason)
        assert known["2"].excluded_reason is None


def rejected(db, today: datetime) -> set[str]:
    return articles.rejected_paths(db.engine, SITE, ["/a/", "/b/"], today)


def test_a_rejected_path_is_looked_at_once_more_on_its_day(db):
    articles.reject_paths(db.engine, SITE, [("/a/", "no_external_id"), ("/a/", "no_external_id")], NOON)
    assert rejected(db, hours(2)) == set()
    articles.reject_paths(db.engine, SITE, [("/a/", "failed_site_validation")], hours(2))
    assert rejected(db, hours(4)) == {"/a/"}
    assert db.rows("SELECT exclude_reason FROM path") == [("failed_site_validation",)]


def test_a_path_rejected_on_an_earlier_day_is_not_looked_at_again(db):
    articles.reject_paths(db.engine, SITE, [("/a/", "no_external_id")], hours(11.9))
    assert rejected(db, hours(11.95)) == set()
    east = hours(12).astimezone(timezone(timedelta(hours=-5)))  # midnight of UTC, still the day before there
    assert rejected(db, east) == {"/a/"}
    assert articles.rejected_paths(db.engine, OTHER, ["/a/"], hours(48)) == set()


def test_a_path_that_is_an_article_after_all_is_forgotten(db):
    articles.reject_paths(db.engine, SITE, [("/a/", "no_external_id"), ("/b/", "no_external_id")], NOON)
    articles.forget_paths(db.engine, SITE, ["/a/", "/c/"])
    assert rejected(db, hours(48)) == {"/b/"}

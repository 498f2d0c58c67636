from datetime import UTC, datetime

import pandas as pd

from include.articles import report

RUN_AT = datetime(2026, 3, 10, tzinfo=UTC)


def lists(*rows):
    return pd.DataFrame(rows, columns=["source", "rank", "target", "score"])


def test_rows_readers_articles_and_pairs_are_counted():
    rows = pd.DataFrame({"client_id": ["u", "u", "v", "v"], "external_id": ["1", "1", "1", "2"]})
    expected = {"rows": 4, "readers": 2, "articles": 2, "pairs": 3}
    assert report.size(rows) == expected
    assert report.size(rows.astype("category")) == expected
    assert report.size(rows[:0]) == dict.fromkeys(expected, 0)


def test_lists_are_described():
    published = pd.to_datetime(["2026-03-09", "2026-03-06", "2026-03-20"], utc=True)
    articles = pd.DataFrame({"external_id": ["1", "2", "3"], "published_at": published})
    ages = report.ages_days(articles, RUN_AT)
    assert ages.to_dict() == {"1": 1.0, "2": 4.0, "3": 0.0}
    found = report.describe_lists(lists(("1", 1, "2", 0.5), ("1", 2, "3", 0.0), ("2", 1, "1", 1.0)), ages)
    assert found == {
        "sources": 2,
        "recommendations": 3,
        "distinct_targets": 3,
        "median_target_age_days": 1.0,
        "zero_score_share": 0.333333,
    }


def test_a_histogram_counts_what_is_in_its_bins():
    assert report.histogram([-1, 0, 0.5, 1, 9, float("nan")], [0, 1, 5]) == [[0, 2], [1, 1], [5, 1]]
    assert report.histogram([], [0, 1]) == [[0, 0], [1, 0]]


def test_overlap_is_the_share_of_first_places_in_common():
    now = lists(("1", 1, "2", 1), ("1", 2, "3", 1), ("2", 1, "1", 1), ("9", 1, "1", 1))
    before = lists(("1", 1, "3", 1), ("1", 2, "4", 1), ("2", 1, "3", 1), ("2", 11, "1", 1))
    assert report.overlap(now, before) == 0.25  # half of source 1, nothing of 2; 9 is new
    assert report.overlap(now, now) == 1
    assert report.overlap(now, lists(("7", 1, "1", 1))) is None


def test_numbers_of_nested_objects_become_flat():
    assert report.flat({"a": {"b": 1, "c": {"d": 2.5}}, "e": "text", "f": True, "g": None}) == {"a.b": 1, "a.c.d": 2.5}


def test_a_run_is_told_in_a_few_words():
    steps = {
        "fetch_data": {"rows": 60_004, "files": 332, "new_files": 2},
        "scrape_metadata": {"creates": 1, "updates": 3, "errors": {"timeout": 1, "not_found": 1}},
    }
    read = "60,004 events of 332 objects, 2 of them new; 1 articles new, 3 refreshed, 2 errors"
    assert report.summary({"steps": steps}) == read
    steps["train_model"] = {"readers": 1_088, "articles": 254}
    steps["save_predictions"] = {"model_id": 2, "status": "stale", "recommendations": 5_080}
    trained = "1,088 readers x 254 articles; related articles: model 2 is stale, 5,080 rows"
    assert report.summary({"steps": steps}) == f"{read}; {trained}"


def test_what_may_be_wrong_with_the_events_is_part_of_the_note():
    fetched = {"rows": 60, "files": 120, "new_files": 2, "lines": 70, "bad_lines": 3}
    fetched |= {"bad_files": 6, "archived_files": 4, "ignored_files": 1}
    scraped = {"creates": 0, "updates": 0, "errors": {}}
    steps = {"fetch_data": fetched, "scrape_metadata": scraped, "filter_events": {"lag_hours": 480.04}}
    assert report.summary({"steps": steps}).endswith(
        "6 objects unreadable, 4 of them archived; 3 of 70 lines unreadable; "
        "1 objects ignored, whose names do not end in .gz; the newest event is 480.0 h older than the run"
    )

"""Which events, readers and articles count: missing values, and the kinds of columns."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.articles.interactions.columns import in_text_order
from include.articles.interactions.filters import (
    filter_activities,
    filter_articles,
    filter_emailnewsletter,
    filter_flyby_users,
)

KINDS = ["str", "object", "category"]


@pytest.mark.parametrize("kind", KINDS)
def test_newsletters_and_missing_paths_go(kind):
    paths = ["/article/1/a", None, "/article/emailnewsletter/x", "/x?emailnewsletter=1", "/emailNewsletter/", ""]
    column = pd.Series(paths, dtype=kind)
    found = filter_emailnewsletter(pd.DataFrame({"landing_page_path": column}))["landing_page_path"]
    assert found.tolist() == ["/article/1/a", "/emailNewsletter/", ""]
    assert found.dtype == column.dtype


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_without_reader_or_article_goes_and_counts_for_no_other(kind):
    pairs = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("v", "c"), (None, "c"), ("w", None), ("w", "a")]
    events = pd.DataFrame(pairs, columns=["client_id", "external_id"]).astype(kind)
    assert filter_articles(events).index.tolist() == [0, 1, 2, 3]
    assert filter_flyby_users(events).index.tolist() == [0, 1, 2, 3, 4]
    assert filter_articles(events, min_readers=1, min_articles=1).index.tolist() == [0, 1, 2, 3, 4, 7]


def test_idle_time_does_not_make_a_reader():
    gaps = pd.DataFrame({"client_id": ["u", "u"], "duration": [601.0, 59.0]})
    assert filter_activities(gaps).empty
    assert len(filter_activities(gaps, max_gap_seconds=601)) == 2
    assert filter_activities(gaps.assign(duration=float("nan")), min_reader_seconds=0).empty


@given(st.lists(st.text(max_size=4), max_size=20))
def test_categories_are_those_that_occur_in_the_order_of_code_points(texts):
    for column in (pd.Series(texts, dtype=object), pd.Series(pd.Categorical(texts, [*sorted(set(texts)), "\0unused"]))):
        found = in_text_order(column)
        assert list(found.cat.categories) == sorted(set(texts))
        assert found.tolist() == texts

"""From labelled rows to one row an author and panel."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.audience.labeling.cleaning import Ballot, settle, tally

Line = tuple[str, str, str, int]
"""Author, panel, id, and the second it was posted."""


def frame(*lines: Line, group: int = 0) -> pd.DataFrame:
    authors, panels, ids, seconds = zip(*lines, strict=True) if lines else [()] * 4
    columns = {
        "group": np.full(len(lines), group, dtype=np.int64),
        "source_author": np.array(authors, dtype=object),
        "panel": np.array(panels, dtype=object),
        "create_time": np.array(seconds, dtype=np.int64).astype("datetime64[s]"),
        "id": np.array(ids, dtype=object),
        "votes": np.ones(len(lines), dtype=np.int64),
    }
    return pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})


def ids(rows: pd.DataFrame | None) -> list[str]:
    return [] if rows is None else rows["id"].tolist()


def cleaned(*lines: Line, ties: str = "drop") -> list[str]:
    return ids(settle(tally(frame(*lines)), ties))


def test_votes_are_counted_for_each_author_and_panel():
    found = tally(frame(("kim", "/f", "a", 1), ("kim", "/f", "b", 2), ("kim", "/m", "c", 3), ("sam", "/m", "d", 0)))
    assert found[["source_author", "panel", "votes"]].values.tolist() == [
        ["sam", "/m", 1],
        ["kim", "/f", 2],
        ["kim", "/m", 1],
    ]


def test_the_panel_with_the_most_rows_is_kept():
    assert cleaned(("kim", "/f", "a", 1), ("kim", "/m", "b", 2), ("kim", "/m", "c", 3)) == ["c"]
    assert cleaned(("kim", "/f", "a", 8), ("kim", "/m", "b", 2), ("kim", "/m", "c", 3)) == ["c"]


@pytest.mark.parametrize(("ties", "left"), [("drop", ["z"]), ("keep", ["a", "b", "z"])])
def test_an_author_with_a_tie_is_dropped_or_kept_in_each(ties, left):
    lines = [("kim", "/f", "a", 1), ("kim", "/m", "b", 2), ("sam", "/m", "z", 3)]
    assert cleaned(*lines, ties=ties) == left


@pytest.mark.parametrize(("ties", "left"), [("drop", []), ("keep", ["b", "d"])])
def test_a_tie_counts_at_the_top_only(ties, left):
    lines = [("k", "/f", "a", 1), ("k", "/f", "b", 2), ("k", "/m", "c", 3), ("k", "/m", "d", 4), ("k", "/y", "e", 5)]
    assert cleaned(*lines, ties=ties) == left


def test_the_latest_row_is_kept_and_of_one_second_that_with_the_greatest_id():
    assert cleaned(("kim", "/f", "z", 1), ("kim", "/f", "a", 2)) == ["a"]
    assert cleaned(("kim", "/f", "10", 1), ("kim", "/f", "9", 1), ("kim", "/f", "1", 1)) == ["9"]
    assert cleaned(("kim", "/f", "a", 1), ("kim", "/f", "Z", 1)) == ["a"]


def test_rows_are_ordered_by_time_and_id():
    lines = [("d", "/f", "d", 2), ("c", "/f", "b", 1), ("b", "/m", "a", 1), ("a", "/m", "c", 0)]
    assert cleaned(*lines) == ["c", "a", "b", "d"]


def test_groups_vote_by_themselves():
    rows = pd.concat([frame(("kim", "/f", "a", 1)), frame(("kim", "/m", "b", 2), group=1)], ignore_index=True)
    assert ids(settle(tally(rows), "drop")) == ["a", "b"]


def test_further_columns_stay_with_their_row():
    rows = frame(("kim", "/f", "a", 1), ("kim", "/f", "b", 2)).assign(text=["old", "new"])
    assert tally(rows)["text"].tolist() == ["new"]


@pytest.mark.parametrize("odd", ["nan", "", "None", "\U0001f600", "a\0b", "a\0c", "a "])
def test_names_are_only_themselves(odd):
    assert cleaned((odd, "/f", "a", 1), ("a", "/f", "b", 2)) == ["a", "b"]


def test_no_row_is_none():
    ballot = Ballot()
    assert ballot.settle("drop") is None
    ballot.add(pd.DataFrame())
    assert ballot.settle("keep") is None


LINES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["/f", "/m", "/y"]), st.just(""), st.integers(0, 5)), max_size=30
).map(lambda lines: [(author, panel, f"{number}", second) for number, (author, panel, _, second) in enumerate(lines)])
TIES = st.sampled_from(["drop", "keep"])


@settings(max_examples=40, deadline=None)
@given(LINES, TIES, st.lists(st.integers(0, 30)), st.integers(0, 9))
def test_parts_give_what_all_at_once_gives(lines, ties, cuts, fold):
    ballot = Ballot(fold)
    edges = sorted({0, len(lines), *(cut for cut in cuts if cut < len(lines))})
    for first, last in pairwise(edges):
        ballot.add(frame(*lines[first:last]))
    assert ids(ballot.settle(ties)) == (cleaned(*lines, ties=ties) if lines else [])


@settings(max_examples=40, deadline=None)
@given(LINES.filter(bool), TIES, st.randoms())
def test_row_order_does_not_matter(lines, ties, random):
    shuffled = random.sample(lines, len(lines))
    assert cleaned(*shuffled, ties=ties) == cleaned(*lines, ties=ties)


@settings(max_examples=40, deadline=None)
@given(LINES.filter(bool), TIES)
def test_cleaning_again_changes_nothing(lines, ties):
    once = cleaned(*lines, ties=ties)
    kept = [line for line in lines if line[2] in once]
    assert (cleaned(*kept, ties=ties) if kept else []) == once

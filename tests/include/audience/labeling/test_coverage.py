"""Which patterns do the work."""

import numpy as np
import pytest
from sqlalchemy import text

from include.audience.labeling.coverage import ALL, WHOLE, Counts, Coverage
from include.audience.rules.ruleset import Pattern, Rules
from tests.support.labeling import post

ANYWHERE = ("partially",)
RULES = Rules(
    "keyword_model",
    "author_name",
    (
        Pattern("female", "lily", ANYWHERE),
        Pattern("female", "ly", ANYWHERE),
        Pattern("male", "mark", ANYWHERE),
        Pattern("male", "never", ANYWHERE),
    ),
)


def counted(*texts: tuple[tuple[int, ...], int]) -> dict[tuple[str, int], Counts]:
    """Count texts, given by the patterns that match them and the rows that have them."""
    coverage = Coverage()
    coverage.add([hits for hits, _ in texts], np.array([rows for _, rows in texts]), RULES)
    return {(panel, pattern): counts for panel, pattern, counts in coverage.rows()}


def test_a_text_that_one_pattern_matches():
    assert counted(((2,), 3)) == {
        (ALL, WHOLE): Counts(3, 3, 0),
        ("male", WHOLE): Counts(3, 3, 0),
        ("male", 2): Counts(3, 3, 0),
    }


def test_two_patterns_of_a_panel_are_not_alone_but_the_panel_is():
    assert counted(((0, 1), 5)) == {
        (ALL, WHOLE): Counts(5, 0, 0),
        ("female", WHOLE): Counts(5, 5, 0),
        ("female", 0): Counts(5, 0, 0),
        ("female", 1): Counts(5, 0, 0),
    }


def test_two_panels_are_a_conflict():
    assert counted(((0, 2), 2)) == {
        (ALL, WHOLE): Counts(2, 0, 2),
        ("female", WHOLE): Counts(2, 0, 2),
        ("female", 0): Counts(2, 0, 2),
        ("male", WHOLE): Counts(2, 0, 2),
        ("male", 2): Counts(2, 0, 2),
    }


def test_texts_add_up_and_what_nothing_matches_is_not_there():
    found = counted(((1,), 10), ((0, 1), 5), ((0, 1, 2), 1), ((), 100))
    assert found == {
        (ALL, WHOLE): Counts(16, 10, 1),
        ("female", WHOLE): Counts(16, 15, 1),
        ("female", 0): Counts(6, 0, 1),
        ("female", 1): Counts(16, 10, 1),
        ("male", WHOLE): Counts(1, 0, 1),
        ("male", 2): Counts(1, 0, 1),
    }


def test_parts_add_up():
    texts = [((1,), 10), ((0, 1), 5), ((0, 1, 2), 1), ((), 100)]
    whole = Coverage()
    for hits, rows in texts:
        part = Coverage()
        part.add([hits], np.array([rows]), RULES)
        whole.update(part)
    assert {(panel, pattern): counts for panel, pattern, counts in whole.rows()} == counted(*texts)


SUMS = """
SELECT panel, pattern, SUM(matched), SUM(sole), SUM(conflict) FROM pattern_coverage WHERE task_id = :own
GROUP BY panel, pattern ORDER BY panel, pattern
"""


@pytest.mark.parametrize("batch_rows", [1, 300_000])
def test_batches_add_up_to_the_task(lab, batch_rows):
    lab.load(
        post("a", "Lily", "00:00:00"), post("b", "Lily", "01:00:00"), post("c", "Lily Mark", "06:00:00"),
        post("d", "Mark", "07:00:00", "WH_F9999"), post("e", "guest", "07:00:00"),
    )  # fmt: skip
    lab.run(batch_rows=batch_rows, times=2)
    with lab.connected(lab.result_url) as connection:
        rows = connection.execute(text(SUMS), {"own": "1".zfill(32)})
        found = [(panel, pattern, *map(int, sums)) for panel, pattern, *sums in rows]
    assert found == [
        ("", -1, 4, 3, 1),
        ("female", -1, 3, 2, 1),
        ("female", 0, 3, 2, 1),
        ("male", -1, 2, 1, 1),
        ("male", 1, 2, 1, 1),
    ]

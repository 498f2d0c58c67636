"""The workflow against the plainest program that follows the same rules: loops over all rows, nothing clever."""

import csv
import json
import re
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deploy.demo.audience import generate
from include.audience.labeling import cleaning
from include.audience.settings import RULES, SOURCE_MAP
from tests.support.labeling import DCARD, FBFANS, FBPM, UNMAPPED, Lab, Outcome, Row, post

Posts = list[dict[str, Any]]
MAP: dict[str, list[str]] = json.loads(SOURCE_MAP.read_text())


def matches(text: str, fields: list[str]) -> bool:
    """Check whether a pattern of the rules file matches a text."""
    text = text.lower()
    if len(fields) == 2:
        return re.search(fields[1], text, re.IGNORECASE) is not None
    keyword = fields[1].lower()
    return any(
        {
            "partially": keyword in text,
            "start": text.startswith(keyword),
            "end": text.endswith(keyword),
            "exactly": text == keyword,
            "absolutely": text == keyword,
        }[match_type]
        for match_type in fields[2].split(",")
    )


def panel_of(text: str, patterns: list[list[str]], known: dict[str, str | None]) -> str | None:
    """Return the first panel in alphabetical order with a pattern that matches the text."""
    if text not in known:
        found = sorted(fields[0].removeprefix("/") for fields in patterns if matches(text, fields))
        known[text] = f"/{found[0]}" if found else None
    return known[text]


def clean(rows: list[Row], ties: str) -> list[Row]:
    """Return the latest row of each author in the panel of most of the author's rows."""
    votes: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        votes.setdefault(row[1], {}).setdefault(row[2], []).append(row)
    kept = []
    for panels in votes.values():
        most = max(len(each) for each in panels.values())
        top = [each for each in panels.values() if len(each) == most]
        if len(top) == 1 or ties == "keep":
            kept += [max(each, key=lambda row: (row[3], row[0])) for each in top]
    return kept


def naive(
    posts: Posts, patterns: list[list[str]], column: str, start: datetime, end: datetime, ties: str = "drop"
) -> tuple[dict[str, list[Row]], dict[str, list[Row]], dict[str, Any]]:
    """Label posts; give the labelled rows, the result tables, and the figures."""
    windows: dict[tuple[str, int], list[Row]] = {}  # by table and number of the window
    authors: dict[str, set[str]] = {}
    received = 0
    known: dict[str, str | None] = {}
    for row in posts:
        if not start <= row["post_time"] <= end or None in (row["author"], row["s_id"], row[column]):
            continue
        received += 1
        window, moment = 0, start
        while moment + timedelta(hours=6) <= row["post_time"] and moment + timedelta(hours=6) < end:
            window, moment = window + 1, moment + timedelta(hours=6)
        author = f"{row['s_id']}_{row['author']}".strip()
        panel = panel_of(row[column], patterns, known)
        for table, s_ids in MAP.items():
            if row["s_id"] in s_ids:
                authors.setdefault(table, set()).add(author)
                if panel:
                    labelled = (row["id"], author, panel, row["post_time"], row["s_id"], row[column])
                    windows.setdefault((table, window), []).append(labelled)

    temp: dict[str, list[Row]] = {}
    for (table, _), rows in windows.items():
        if cleaned := clean(rows, ties):
            temp.setdefault(table, []).extend(cleaned)
    production = {table: clean(rows, ties) for table, rows in temp.items()}
    tables = [table for table in MAP if table in temp]
    counts = [(len(production[table]), len(authors[table])) for table in tables]
    figures = {
        "length_receive_table": received,
        "length_output_table": sum(map(len, temp.values())),
        "result": ",".join(tables),
        "length_prod_table": ",".join(str(rows) for rows, _ in counts) or "0",
        "uniq_source_author": ",".join(str(distinct) for _, distinct in counts) or None,
        "rate_of_label": ",".join(str(round(rows / distinct * 100, 2)) for rows, distinct in counts) or None,
        "prod_stat": "finish" if tables else "no_data",
    }
    ordered = {table: sorted(rows) for table, rows in temp.items()}
    return ordered, {table: sorted(rows) for table, rows in production.items() if rows}, figures


def compared(found: Outcome, expected: tuple[Any, Any, dict[str, Any]]) -> None:
    assert {name: found.state[name] for name in expected[2]} == expected[2]
    assert found.production == expected[1]
    assert found.temp == expected[0]


def as_posts(frame: pd.DataFrame) -> Posts:
    return [
        {**dict(zip(frame.columns, line, strict=True)), "post_time": line[-1].to_pydatetime()}
        for line in frame.itertuples(index=False, name=None)
    ]


@pytest.mark.parametrize(
    ("model_type", "predict_type", "column"),
    [("keyword_model", "author_name", "author"), ("rule_model", "content", "content")],
)
def test_generated_posts_and_the_shipped_rules(lab, model_type, predict_type, column):
    start, end = datetime(2020, 2, 25), datetime(2020, 3, 5, 23, 59, 59)
    posts = as_posts(generate.rows(3_000, start=start, end=end))
    lab.load(*posts)
    request = {"model_type": model_type, "predict_type": predict_type, "start_time": str(start), "end_time": str(end)}
    found = lab.run(**request, rules_dir=RULES, batch_rows=800)
    with (RULES / model_type / f"{predict_type}.csv").open(encoding="utf-8", newline="") as file:
        patterns = [fields for fields in csv.reader(file) if fields][1:]
    compared(found, naive(posts, patterns, column, start, end))
    assert len(found.production) > 6


START = datetime(2020, 1, 1, 3, 30)
PATTERNS = [["female", "ballet", "partially"], ["/male", "Engine", "start,end"], ["young", "exam", "absolutely"]]
TOPICS = "panel,keyword,match_type\n" + "\n".join(f'{a},{b},"{c}"' for a, b, c in PATTERNS)
SIX_HOURS = 6 * 3600


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    """Draw times near the boundaries of four windows and a half, also outside."""
    boundary = draw(st.sampled_from([0, 1, 2, 3, 4, 4.5]))
    return START + timedelta(seconds=boundary * SIX_HOURS + draw(st.sampled_from([-1, 0, 0, 1, 9_000])))


@st.composite
def posts(draw: st.DrawFn) -> Posts:
    """Draw posts of a few authors who cannot decide on a panel."""
    fields = st.tuples(
        st.sampled_from(["Kim", "kim", "Kim ", "Sam\u3000", "Sam", "", None]),
        moments(),
        st.sampled_from([FBPM, FBPM, FBFANS, DCARD, UNMAPPED, None]),
        st.sampled_from(["BALLET", "no ballet", "engine", "an ENGINE", "exam", "exam?", "", None]),
    )
    numbers = st.permutations([str(number) for number in range(25)])
    return [
        post(id, author, time, s_id, content)
        for id, (author, time, s_id, content) in zip(draw(numbers), draw(st.lists(fields, max_size=25)), strict=False)
    ]


def check(lab: Lab, posts: Posts, ties: str, *, hours: int = 27, **asked: Any) -> None:
    end = START + timedelta(hours=hours)
    lab.tasks += 1
    lab.load(*posts)
    lab.rules(TOPICS, predict_type="content")
    request = {"predict_type": "content", "start_time": str(START), "end_time": str(end)}
    found = lab.run(str(lab.tasks), tie_policy=ties, **request, **asked)
    compared(found, naive(posts, PATTERNS, "content", START, end, ties))


QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
SQLITE = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
MARIADB = pytest.mark.parametrize("server", ["mariadb"], indirect=True)
TIES = st.sampled_from(["drop", "keep"])
ALTERNATING = [
    post(str(n), "Kim", START + timedelta(seconds=n * SIX_HOURS // 2), FBPM, ["ballet", "engine"][n // 2 % 2])
    for n in range(9)
]


@SQLITE
@settings(max_examples=12, **QUIET)
@given(posts(), TIES, st.sampled_from([5, 24, 27]), st.sampled_from([1, 7, 300_000]), st.sampled_from([1, 2, 32]))
@example(ALTERNATING, "keep", 27, 1, 32)
@example(ALTERNATING, "drop", 24, 7, 2)
def test_any_posts_and_any_batches_on_sqlite(lab, posts, ties, hours, batch_rows, max_batches):
    check(lab, posts, ties, hours=hours, batch_rows=batch_rows, max_batches=max_batches)


@MARIADB
@settings(max_examples=12, **QUIET)
@given(posts(), TIES, st.sampled_from([1, 7, 300_000]))
@example(ALTERNATING, "keep", 1)
def test_any_posts_and_any_batches_on_mariadb(lab, posts, ties, batch_rows):
    check(lab, posts, ties, batch_rows=batch_rows)


@SQLITE
@settings(max_examples=10, **QUIET)
@given(posts(), TIES, st.integers(1, 5), st.integers(1, 5), st.integers(0, 3), st.booleans())
@example(ALTERNATING, "drop", 1, 1, 0, True)
def test_any_sizes_of_parts_any_order_and_a_rerun(lab, posts, ties, part, stretch, fold, again):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("include.audience.pipeline.PART_ROWS", part)
        patch.setattr("include.audience.results.production.PART_ROWS", part)
        patch.setattr("include.audience.results.production.COPY_ROWS", part)
        patch.setattr("include.audience.plan.STRETCH_ROWS", stretch)
        patch.setattr(cleaning.Ballot.__init__, "__defaults__", (fold,))
        check(lab, posts[::-1] if again else posts, ties, batch_rows=7, times=2 if again else 1)

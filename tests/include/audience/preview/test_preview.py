"""A preview is the difference of two full runs."""

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, text

from include.audience.labeling.cleaning import Ballot
from include.audience.labeling.labeler import Findings, Labeler
from include.audience.preview import preview
from include.audience.preview.comparison import Comparison
from include.audience.preview.report import describe, estimate
from include.audience.preview.spans import span_of
from include.audience.request import PreviewRequest
from include.audience.rules import files
from include.audience.rules.ruleset import Pattern
from include.audience.settings import SOURCE_MAP
from include.audience.source import source_map
from include.audience.source.posts import Posts
from include.audience.source.windows import Windows
from tests.support.labeling import DCARD, FBFANS, FBPM, UNMAPPED, at, post

HEADER = "panel,keyword,match_type\n"
BEFORE = HEADER + "female,lily,partially\nmale,mark,partially\n"
AFTER = HEADER + "female,lily,start\nmale,mark,partially\nmale,lilymark,exactly\nchild,kid,partially\n"
RANGE = {"start_time": "2020-01-01 00:00:00", "end_time": "2020-01-02 00:00:00"}


def compare(lab, after: str = AFTER, **fields: Any) -> dict[str, Any]:
    request = PreviewRequest(**{**RANGE, "rules": after, "sample_posts": 0, **fields})
    return preview.run(request, lab.settings)


def test_gained_lost_and_moved(lab):
    lab.rules(BEFORE)
    lab.load(
        post("1", "Lily", "01:00"),
        post("2", "aLily", "01:00"),  # lost
        post("3", "kid", "02:00"),  # gained
        post("4", "kidlily", "03:00"),  # moves to /child
        post("5", "nobody", "04:00"),
        post("6", "kid", "04:00", UNMAPPED),
    )
    found = compare(lab)
    assert (found["exact"], found["received"], found["posts_changed"], found["authors_changed"]) == (True, 6, 3, 3)
    by_panel = {each.pop("panel"): list(each.values()) for each in found["panels"]}
    assert by_panel == {
        "/child": [0, 2, 1, 0, 0, 2, 1, 0],
        "/female": [3, 1, 0, 1, 3, 1, 0, 1],
        "/male": [0, 0, 0, 0, 0, 0, 0, 0],
    }
    assert found["moved"] == [{"from": "/female", "to": "/child", "posts": 1, "authors": 1}]
    assert found["tables"] == [
        {"table": "fbpm", "authors": 5, "rows_before": 3, "rows_after": 3, "rate_before": 60.0, "rate_after": 60.0,
         "rate_change": 0.0}
    ]  # fmt: skip
    assert [each["pattern"] for each in found["never_fired"]] == ["mark", "lilymark"]
    moved = next(each for each in found["samples"] if each["before"] and each["after"])
    assert moved["posts"][0] == {
        "id": "4", "s_id": FBPM, "author": "kidlily", "text": "kidlily", "offset": 0,
        "matches": [
            {"rules": "before", "panel": "/female", "pattern": "lily", "start": 3, "end": 7},
            {"rules": "after", "panel": "/child", "pattern": "kid", "start": 0, "end": 3},
        ],
    }  # fmt: skip


def test_nothing_is_written(lab):
    lab.load(post("1", "Lily", "01:00"))
    compare(lab)
    with lab.connected(lab.result_url) as connection:
        names = inspect(connection).get_table_names()
        assert all(connection.execute(text(f"SELECT COUNT(*) FROM {name}")).scalar() == 0 for name in names)


def test_patterns_within_others_and_conflicts(lab):
    lab.rules(BEFORE)
    lab.load(post("1", "lilyann", "01:00"), post("2", "annlily mark", "01:00"), post("3", "mark", "02:00"))
    found = compare(lab, HEADER + "female,lily,partially\nfemale,ann,partially\nmale,mark,partially\nmale,k,end\n")
    assert [(each["pattern"], each["by"]["pattern"]) for each in found["swallowed"]] == [("ann", "lily"), ("k", "mark")]
    assert found["conflicts"] == [{"panels": ["/female", "/male"], "posts_before": 1, "posts_after": 1}]


def test_it_is_the_difference_of_two_runs(lab):
    names = ["lily", "mark", "alily", "lilymark", "kid mark", "nobody", "lilykid"]
    lab.load(
        *(
            post(str(number), names[number * number % 7], f"{number % 24:02}:30", [FBPM, FBFANS, DCARD][number % 3])
            for number in range(60)
        )
    )
    runs = []
    for task_id, rules in (("1", AFTER), ("2", BEFORE)):
        lab.rules(rules)
        runs.append(lab.run(task_id, **RANGE))
    found = compare(lab)
    new, old = ([(name, row[1], row[2]) for name, rows in run.production.items() for row in rows] for run in runs)
    check_authors(found, old, new)
    for side, run in (("before", runs[1]), ("after", runs[0])):
        shown = [str(each[f"rate_{side}"]) for each in found["tables"] if each[f"rows_{side}"]]
        assert sorted(shown) == sorted(run.state["rate_of_label"].split(","))


def check_authors(found: dict[str, Any], old: list[tuple[str, str, str]], new: list[tuple[str, str, str]]) -> None:
    """Check a report against the result rows (table, author, panel) of two runs."""
    for side, rows in (("before", old), ("after", new)):
        shown = {each["panel"]: each[f"authors_{side}"] for each in found["panels"] if each[f"authors_{side}"]}
        assert shown == Counter(row[2] for row in rows)
    gained, lost, moved = Counter(), Counter(), Counter()
    for table, author in {row[:2] for row in old + new}:
        left, come = (
            sorted(panel for *key, panel in set(rows) - set(others) if key == [table, author])
            for rows, others in ((old, new), (new, old))
        )
        if len(left) == len(come) == 1:
            moved[left[0], come[0]] += 1
        else:
            lost.update(left)
            gained.update(come)
    assert {each["panel"]: each["authors_gained"] for each in found["panels"] if each["authors_gained"]} == gained
    assert {each["panel"]: each["authors_lost"] for each in found["panels"] if each["authors_lost"]} == lost
    assert {(each["from"], each["to"]): each["authors"] for each in found["moved"] if each["authors"]} == moved


WORDS = st.text("abc", min_size=1, max_size=2)
RULES = st.lists(
    st.tuples(st.sampled_from("fmx"), WORDS, st.sampled_from(["partially", "start", "end", "exactly"])),
    min_size=1, max_size=4,
).map(lambda rows: HEADER + "".join(f"{','.join(row)}\n" for row in rows))  # fmt: skip
POSTS = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=3), st.sampled_from([FBPM, FBFANS, DCARD, UNMAPPED]),
              st.integers(0, 23)),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(before=RULES, after=RULES, rows=POSTS, ties=st.sampled_from(["drop", "keep"]), cut=st.integers(0, 12))
def test_any_rules_and_posts(before, after, rows, ties, cut):
    tables, windows = source_map.read(SOURCE_MAP), Windows(at("00:00"), at("1 00:00"), 6)
    sets = [files.parse_csv(text, "keyword_model", "author_name", "rules") for text in (before, after)]
    comparison = Comparison(*sets, tables, windows, ties)
    ordered = sorted(enumerate(rows), key=lambda row: row[1][2])
    for part in (ordered[:cut], ordered[cut:]):  # posts of a window may come in two parts
        if part:
            comparison.add(posts_of(part))
    comparison.settle()
    results, labelled = [], []
    for rules in sets:
        labeler, ballot, every = Labeler(rules, tables, windows, ties), Ballot(), Ballot()
        ballot.add(found := labeler.label(posts_of(ordered), Findings()))
        labelled.append(Counter(found.drop_duplicates("id")["panel"]) if len(found) else Counter())
        settled = labeler.settle(ballot)
        every.add(settled.assign(group=settled["table"], votes=1))
        final = every.settle(ties)
        shown = [] if final is None else final[["group", "source_author", "panel"]].itertuples(index=False, name=None)
        results.append(list(shown))
    report = describe(comparison)
    check_authors(report, *results)
    for side, counts in zip(("before", "after"), labelled, strict=True):
        shown = {each["panel"]: each[f"posts_{side}"] for each in report["panels"] if each[f"posts_{side}"]}
        assert shown == counts


def posts_of(rows: list[tuple[int, tuple[str, str, int]]]) -> Posts:
    """Return posts of numbered authors, sources and hours."""
    ids, names, s_ids = (np.array(each, object) for each in zip(*[(str(n), r[0], r[1]) for n, r in rows], strict=True))
    times = np.array([at(f"{row[2]:02}:30") for _, row in rows], "datetime64[s]")
    return Posts(ids, s_ids, names, names, times)


def test_a_sample_holds_the_truth_within_its_bounds():
    rows = dict.fromkeys(range(1_000), 50)
    counted = {number: 5 + number % 3 for number in rows}  # 5,999 posts in all
    drawn = {number: rows[number] for number in range(0, 1_000, 17)}
    found = estimate(counted, drawn, 50_000)
    assert found["low"] < 5_999 < found["high"]
    assert found["high"] - found["low"] < 1_000
    assert estimate(counted, {3: 50}, 50_000) == {"posts": 5_000, "low": 5, "high": 50_000}
    assert estimate({}, {}, 0) == {"posts": 0, "low": 0, "high": 0}


def test_a_sample_of_windows(lab):
    lab.rules(BEFORE)
    lab.load(*(post(str(number), "aLily", f"{number % 24:02}:00") for number in range(48)))
    found = compare(lab, sample_posts=20)
    assert (found["exact"], found["received"], found["sample"]["of_rows"]) == (False, 24, 48)
    [change] = found["sample"]["posts"]
    assert change == {"from": "/female", "to": None, "posts": 48, "low": 48, "high": 48}


def test_a_span_is_one_of_the_text_as_written():
    keyword = Pattern("f", "\u03c3x", ("partially",))
    assert span_of(keyword, "i\u0307\u0130\u03a3X") == (3, 5)
    assert span_of(Pattern("f", "b+"), "aBBc") == (1, 3)
    assert span_of(Pattern("f", "ab", ("end",)), "abab") == (2, 4)
    assert span_of(Pattern("f", "ab", ("start", "exactly")), "xab") is None

"""`GET /api/tasks/{task_id}/coverage`."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from include.audience.labeling import coverage
from include.audience.results import tables
from include.core.database.bulk import insert_rows
from tests.support.audience_api import (
    INJECTIONS,
    NO_SUCH,
    UNKNOWN,
    add,
    pin,
)


@pytest.fixture
def task_id(engine: Engine, home: Path) -> str:
    """Return a labelled task with counts of two batches and its pinned rules."""
    task_id = add(engine, stat="SUCCESS", length_receive_table=20)
    male, female = (0, "male"), (1, "female")
    whole, rest = coverage.WHOLE, coverage.ALL
    counts = [
        (0, *male[::-1], 3, 2, 1),
        (1, *male[::-1], 1, 1, 0),
        (0, *female[::-1], 2, 1, 1),
        (0, "male", whole, 3, 2, 1),
        (1, "male", whole, 1, 1, 0),
        (0, "female", whole, 2, 1, 1),
        (0, rest, whole, 4, 3, 1),
        (1, rest, whole, 1, 1, 0),
    ]
    with engine.begin() as connection:
        for each in (task_id, NO_SUCH):
            rows = [(each, *row) for row in counts]
            insert_rows(connection, tables.COVERAGE, tables.COVERAGE.columns.keys(), rows)
    pin(home, task_id)
    return task_id


def test_sums_of_all_batches_in_the_order_of_the_rules(client, task_id):
    for ending in ("", "/"):
        answer = client.get(f"/api/tasks/{task_id}/coverage{ending}").json()
        assert list(answer) == ["error_code", "error_message", "content"]
        assert (answer["error_code"], answer["error_message"]) == (200, "OK")
        ann = {"panel": "/female", "pattern": "ann", "match_type": "start,end"}
        mark = {"panel": "/male", "pattern": "mark", "match_type": "partially"}
        lily = {"panel": "/female", "pattern": "lily", "match_type": "partially"}
        assert answer["content"] == {
            "totals": {"received": 20, "matched": 5, "unmatched": 15, "sole": 4, "conflict": 1},
            "panels": [
                {"panel": "/female", "matched": 2, "sole": 1, "conflict": 1},
                {"panel": "/male", "matched": 4, "sole": 3, "conflict": 1},
            ],
            "patterns": [
                mark | {"matched": 4, "sole": 3, "conflict": 1},
                lily | {"matched": 2, "sole": 1, "conflict": 1},
                ann | {"matched": 0, "sole": 0, "conflict": 0},
            ],
            "never_fired": [ann],
        }
        assert list(answer["content"]["totals"]) == ["received", "matched", "unmatched", "sole", "conflict"]
        assert list(answer["content"]["patterns"][0]) == [
            "panel", "pattern", "match_type", "matched", "sole", "conflict",
        ]  # fmt: skip


def test_the_rules_of_now_do_not_matter(client, task_id, home):
    (home / "rules/keyword_model/author_name.csv").write_text("panel,keyword,match_type\nx,y,start\n")
    assert len(client.get(f"/api/tasks/{task_id}/coverage").json()["content"]["patterns"]) == 3


def test_a_task_without_labels(client, engine, task_id):
    with engine.begin() as connection:
        connection.execute(delete(tables.COVERAGE))
    content = client.get(f"/api/tasks/{task_id}/coverage").json()["content"]
    assert content["totals"] == {"received": 20, "matched": 0, "unmatched": 20, "sole": 0, "conflict": 0}
    assert len(content["never_fired"]) == 3


@pytest.mark.parametrize(
    ("stat", "advice"),
    [
        ("PENDING", "ask again later"),
        ("FAILURE", "clear its failed tasks in Airflow to resume it, or create another task"),
        ("BREAK", "create another task"),
    ],
)
def test_a_task_that_is_not_labelled_is_404(client, engine, stat, advice):
    answer = client.get(f"/api/tasks/{add(engine, stat=stat)}/coverage").json()
    assert answer == {
        "error_code": 404,
        "error_message": f"the task has the status {stat}, its coverage is known with SUCCESS: {advice}",
        "content": None,
    }


def test_rules_that_are_gone_are_404_and_damaged_ones_500(client, engine, task_id, home):
    other = add(engine, stat="SUCCESS")
    assert client.get(f"/api/tasks/{other}/coverage").json()["error_code"] == 404
    (home / f"data/audience/tasks/{task_id}/rules.csv").write_text("panel,keyword,match_type\nx,y,start\n")
    answer = client.get(f"/api/tasks/{task_id}/coverage").json()
    assert answer["error_code"] == 500
    assert str(home) not in answer["error_message"]
    (home / f"data/audience/tasks/{task_id}/rules.csv").unlink()
    answer = client.get(f"/api/tasks/{task_id}/coverage").json()
    assert answer["error_message"].endswith("additional error message: No such file or directory")


@pytest.mark.parametrize("task_id", [NO_SUCH, "..", "../..", *INJECTIONS])
def test_unknown_ids(client, engine, task_id):
    add(engine)
    answer = client.get(f"/api/tasks/{task_id.replace('/', '%2F').replace('.', '%2E')}/coverage")
    if answer.status_code != 404:  # a slash makes it another path
        assert (answer.json()["error_code"], answer.json()["content"]) == (400, None)
        assert answer.json()["error_message"].startswith(UNKNOWN)


def test_an_id_that_is_none_does_not_become_a_path(client, engine):
    add(engine, task_id="..", stat="SUCCESS")
    assert client.get("/api/tasks/%2E%2E/coverage").json()["error_code"] == 400


def test_no_database(no_database):
    answer = no_database.get(f"/api/tasks/{NO_SUCH}/coverage").json()
    assert (answer["error_code"], answer["content"]) == (500, None)
    assert answer["error_message"].startswith("cannot read the coverage, additional error message: (2003, ")

"""`GET /api/tasks/{task_id}/sample/`."""

import time
from collections import Counter

import pytest

from include.audience.results import state, tables
from include.audience.results.sampling import sample
from quartet.api.audience.service import RESULT_TABLES
from tests.support.audience_api import (
    FBFANS,
    INJECTIONS,
    NO_SUCH,
    add,
    fill,
)


def test_a_row_and_its_keys_in_both_spellings(client, engine):
    task_id = add(engine, stat="SUCCESS", prod_stat="finish")
    fill(engine, "wh_panel_mapping_fbfans", task_id, 1)
    for path in (f"/api/tasks/{task_id}/sample/", f"/api/tasks/{task_id}/sample"):
        answer = client.get(path, params=FBFANS)
        assert answer.status_code == 200
        assert answer.json()["error_code"] == 200
        [row] = answer.json()["error_message"]
        assert list(row.items()) == [
            ("id", "000001"), ("task_id", task_id), ("source_author", "WH_F0045_王0"), ("panel", "/female"),
            ("create_time", "2020-01-01T00:00:00"), ("field_content", "WH_F0045"), ("match_content", "王"),
        ]  # fmt: skip


@pytest.mark.parametrize("count", [1, 4, 49, 50, 51, 300])
def test_it_is_never_empty_and_ordered(client, engine, count):
    task_id = add(engine, stat="SUCCESS")
    fill(engine, "wh_panel_mapping_fbfans", task_id, count)
    fill(engine, "wh_panel_mapping_fbfans", NO_SUCH, 80)
    for _ in range(5):
        found = client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]
        assert len(found) == min(50, count)
        assert {row["task_id"] for row in found} == {task_id}
        assert found == sorted(found, key=lambda row: (row["create_time"], row["id"]))
        assert len({row["id"] for row in found}) == len(found)


@pytest.mark.parametrize("seconds", [0, 60])
def test_each_row_has_the_same_chance(engine, seconds):
    task_id = add(engine)
    fill(engine, "fbfans", task_id, 40, seconds)
    seen = Counter(row["id"] for _ in range(160) for row in sample(engine, tables.temp("fbfans"), task_id, size=10))
    assert len(seen) == 40
    squares = sum((count - 40) ** 2 / 40 for count in seen.values())
    assert squares < 90  # of 39 degrees of freedom, less than one in 100,000 is so far off


def test_ids_that_the_source_has_twice(client, engine):
    task_id = add(engine, stat="SUCCESS")
    for _ in range(2):
        fill(engine, "wh_panel_mapping_fbfans", task_id, 3, 0)
    found = client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]
    assert [row["id"] for row in found] == ["000001", "000001", "000002", "000002", "000003", "000003"]


def test_tables_come_in_the_order_of_the_request_each_once(client, engine):
    task_id = add(engine, stat="SUCCESS")
    for name in ("Comment", "news", "forum"):
        fill(engine, f"wh_panel_mapping_{name}", task_id, {"Comment": 1, "news": 2, "forum": 3}[name])
    names = ["news", "forum", "news", "Ptt", "Comment", "forum"]
    query = {"table_name": [f"wh_panel_mapping_{name}" for name in names]}
    found = client.get(f"/api/tasks/{task_id}/sample/", params=query).json()["error_message"]
    assert [row["id"] for row in found] == ["000001", "000002", "000002", "000003", "000001", "000001"]


def test_while_labeling_the_labelled_rows_are_sampled(client, engine):
    task_id = add(engine)
    assert client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_code"] == 404
    fill(engine, "fbfans", task_id, 3)
    assert len(client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]) == 3
    state.fail(engine, task_id, None, "x")
    assert client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_code"] == 404


def test_no_rows_and_no_table_are_404(client, engine):
    for path in (f"/api/tasks/{NO_SUCH}/sample/", f"/api/tasks/{add(engine, stat='SUCCESS')}/sample"):
        assert client.get(path, params=FBFANS).json() == {
            "error_code": 404,
            "error_message": "empty result, probably wrong combination of task_id and table_name, please check "
            "table state or use /api/tasks/{task_id} first",
        }


def test_an_empty_platform_is_404(client):
    assert client.get(f"/api/tasks/{NO_SUCH}/sample/", params=FBFANS).json()["error_code"] == 404


def test_all_seventeen_names_are_known(client):
    for name in [
        "blog", "Comment", "Dcard", "fbfans", "fbgroup", "fbkol", "fbpm", "fbprivategroup", "forum", "Instagram",
        "news", "plurk", "Ptt", "Tiktok", "Twitter", "video", "Youtube",
    ]:  # fmt: skip
        query = {"table_name": f"wh_panel_mapping_{name}"}
        assert client.get(f"/api/tasks/{NO_SUCH}/sample/", params=query).json()["error_code"] == 404
    assert len(RESULT_TABLES) == 17


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"table_name": ""},
        {"table_name": "fbfans"},
        {"table_name": "state"},
        {"table_name": "wh_panel_mapping_FBFANS"},
        {"table_name": "wh_panel_mapping_comment"},
        {"table_name": ["wh_panel_mapping_fbfans", "x"]},
        *[{"table_name": f"wh_panel_mapping_fbfans{text}"} for text in INJECTIONS],
    ],
    ids=lambda query: str(query)[:40],
)
def test_other_names_are_422_before_all_else(no_database, query):
    answer = no_database.get("/api/tasks/short/sample/", params=query)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["query", "table_name"]


@pytest.mark.parametrize("task_id", ["x", "a" * 31, "a" * 33, "x' OR '1'='1", "王" * 5])
def test_the_length_of_an_id_is_checked_first(no_database, task_id):
    for path in (f"/api/tasks/{task_id}/sample/", f"/api/tasks/{task_id}/sample"):
        assert no_database.get(path, params=FBFANS).json() == {
            "error_code": 400,
            "error_message": f"{task_id} is not in proper format, expect 32 digits get {len(task_id)} digits",
        }


def test_only_the_length_is_checked(client, engine):
    fill(engine, "wh_panel_mapping_fbfans", add(engine), 3)
    answer = client.get("/api/tasks/xxxxxxxxxxxxxxxxxxx' OR '1'='1'%23/sample/", params=FBFANS).json()
    assert answer["error_code"] == 404


def test_no_database(no_database):
    answer = no_database.get(f"/api/tasks/{NO_SUCH}/sample/", params=FBFANS)
    assert answer.status_code == 200
    assert answer.json()["error_code"] == 500
    assert answer.json()["error_message"].startswith(
        "Cannot scrape data from result tables. Additional error message: (2003, "
    )


def test_its_size_is_a_setting(engine, environment, open_client):
    environment.setenv("AUDIENCE_SAMPLE_SIZE", "7")
    task_id = add(engine)
    fill(engine, "fbfans", task_id, 40)
    with open_client() as client:
        assert len(client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]) == 7


def test_many_rows_take_less_than_a_second(client, engine):
    task_id = add(engine, stat="SUCCESS")
    fill(engine, "wh_panel_mapping_fbfans", task_id, 20_000)
    begin = time.perf_counter()
    assert len(client.get(f"/api/tasks/{task_id}/sample/", params=FBFANS).json()["error_message"]) == 50
    assert time.perf_counter() - begin < 1

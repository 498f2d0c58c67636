"""Jobs and rollback, with Airflow's answers put in."""

import pytest


@pytest.fixture
def started(monkeypatch) -> list[tuple[str, dict]]:
    """Return the runs that are started: DAG and params."""
    calls = []

    async def trigger(request, dag_id, conf, **_):
        calls.append((dag_id, conf))
        return "manual-1"

    monkeypatch.setattr("quartet.api.common.runs.trigger", trigger)
    return calls


def test_a_rollback_starts_a_run(client, platform, started):
    platform.run()
    answered = client.post("/rollback", json={"model": 1})
    assert (answered.status_code, answered.json()) == (202, {"dag_run_id": "manual-1"})
    assert client.post("/rollback", json={"training": 0}).status_code == 202
    assert started == [("ratings_train", {"model": 1}), ("ratings_train", {"training": 0})]


def test_an_unknown_version_is_404(client, platform, started):
    assert client.post("/rollback", json={"training": 0}).status_code == 404
    platform.run()
    for body in ({"model": 2}, {"training": 1}):
        assert client.post("/rollback", json=body).status_code == 404
    assert started == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": 1, "training": 1},
        {"model": "1"},
        {"model": 1.5},
        {"model": None},
        {"training": -1},
        {"model": True},
    ],
)
def test_any_other_body_is_refused(client, started, body):
    assert client.post("/rollback", json=body).status_code == 422
    assert started == []


def test_jobs_tell_what_each_run_did_and_what_was_refused(client, platform, monkeypatch):
    async def list_runs(request, dag_id, limit):
        if dag_id == "ratings_predict":
            return []
        return [{"dag_run_id": "run-1", "state": "success", "start_date": "s", "duration": 1.5, "run_after": "r"}]

    monkeypatch.setattr("quartet.api.common.runs.list_runs", list_runs)
    platform.drop("bad.txt", "rubbish\n")
    platform.drop("half.txt.part", "1 1 1 1\n")
    platform.run()
    found = client.get("/jobs").json()
    assert found["jobs"][0] | {"counts": None} == {
        "pipeline": "train",
        "dag_run_id": "run-1",
        "state": "success",
        "start": "s",
        "duration": 1.5,
        "input": ["training version 0"],
        "output": [1],
        "made": "computed",
        "reason": "first model; model 1 is the new champion",
        "counts": None,
    }
    assert [each["file"] for each in found["refused"]] == ["bad.txt", "half.txt.part"]
    assert found["refused"][1]["reason"].startswith("ignored")


def test_of_many_refused_files_the_first_are_listed_and_the_others_counted(client, platform, monkeypatch):
    async def list_runs(request, dag_id, limit):
        return []

    monkeypatch.setattr("quartet.api.common.runs.list_runs", list_runs)
    for number in range(1_002):
        platform.drop(f"{number:04}.part", "")
    found = client.get("/jobs").json()
    assert (len(found["refused"]), found["more"]) == (1_000, 2)
    rest = client.get("/jobs", params={"offset": 1_000}).json()
    assert [each["file"] for each in rest["refused"]] == ["1000.part", "1001.part"]
    assert rest.keys() == {"jobs", "refused"}

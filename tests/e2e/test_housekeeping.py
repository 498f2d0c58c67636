"""Housekeeping on the real platform: every cleaning is done, and what is in use is there afterwards."""

import pytest

from tests.support.platform import Platform, wait_for

pytestmark = pytest.mark.e2e


def clean(platform: Platform) -> dict[str, str]:
    """Run all cleanings; give the state of each."""
    run = (
        platform.client.post("/api/v2/dags/housekeeping/dagRuns", json={"logical_date": None}).raise_for_status().json()
    )
    path = f"/api/v2/dags/housekeeping/dagRuns/{run['dag_run_id']}"
    wait_for(
        "housekeeping is done",
        lambda: platform.client.get(path).raise_for_status().json()["state"] in ("success", "failed"),
        180,
    )
    listed = platform.client.get(f"{path}/taskInstances").raise_for_status().json()["task_instances"]
    return {each["task_id"]: each["state"] for each in listed}


def test_every_cleaning_is_done_and_leaves_what_is_in_use(platform):
    champion = wait_for(
        "there is a champion", lambda: platform.client.get("/ratings/models").raise_for_status().json()["champion"], 120
    )
    body = {"data": ["233 346", "nobody 346"]}
    asked = platform.client.post("/ratings/predict", json=body).raise_for_status().json()

    def answer() -> str | None:
        return platform.client.post("/ratings/result", json=asked).raise_for_status().json().get("data")

    before = wait_for("there is an answer", answer)
    states = clean(platform)
    assert states == dict.fromkeys(states, "success")  # that of Airflow's database, too
    assert len(states) == 9
    assert answer() == before
    assert platform.client.get("/ratings/models").raise_for_status().json()["champion"] == champion

"""Fixtures of the tests of what a DAG run means to a workflow."""

import pytest

from quartet.hooks.airflow_api import AirflowApiHook


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the notes that are set; nothing is sent to Airflow."""
    found: list[str] = []
    monkeypatch.setattr(AirflowApiHook, "note", lambda self, run, text: found.append(text))
    return found


@pytest.fixture
def fast_ratings(notes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the fast `BaselineOnly`, on base data that the test stores."""
    monkeypatch.setenv("RATINGS_ALGORITHM", "BaselineOnly")
    monkeypatch.delenv("MOVIELENS_100K", raising=False)

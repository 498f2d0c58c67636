"""Values that the tests of the articles API read from responses."""

from typing import Any

import httpx

DEFAULTS = ["1", "2", "3", "4", "5", "6"]
"""External ids of the defaults that `filled` stores, best first."""
ORIGIN = {"Origin": "https://washingtoncitypaper.com"}


def results(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def targets(answer: httpx.Response) -> list[str]:
    return [each["recommended_article"]["external_id"] for each in results(answer)]


def message(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["message"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()["message"]

"""`GET /health`."""

import pytest


@pytest.mark.parametrize("path", ["/", "/health"])
def test_health_is_ok(client, filled, path):
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["Cache-Control"] == "no-store"

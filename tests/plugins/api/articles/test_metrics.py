"""Metrics of the articles API."""

import logging

from tests.support.serving_rows import OTHER, SITE


def test_figures_are_logged_each_minute(client, filled, clock, caplog):
    caplog.set_level(logging.INFO, logger="quartet.api.articles.metrics")
    for query in ("source_entity_id=10", "source_entity_id=10", "source_entity_id=x", f"site={OTHER}", "site=%0Ano"):
        client.get(f"/recs?{query}")
    assert "total" not in caplog.text
    clock.now += 60
    client.get("/models")
    for line in (
        f"total_rec_requests 3 site={SITE}",
        f"total_rec_db_hits 2 site={SITE}",
        f"total_default_recs_served 1 site={SITE}",
        f"total_rec_requests 1 site={OTHER}",
        "total_rec_requests 1 site=other",
    ):
        assert line in caplog.messages
    latencies = [each for each in caplog.messages if each.startswith("aggregate_latency")]
    assert [each.partition("handler=")[2].partition(" longest")[0] for each in latencies] == [
        "models site=none requests=1",
        "recs site=other requests=1",
        f"recs site={OTHER} requests=1",
        f"recs site={SITE} requests=3",
    ]
    caplog.clear()
    clock.now += 60
    client.get("/models")
    assert [each for each in caplog.messages if each.startswith("total")] == []


def test_an_error_is_logged_with_its_time(client, filled, caplog):
    caplog.set_level(logging.INFO, logger="quartet.api.articles.metrics")
    client.get("/recs?size=x")
    client.post("/nothing")
    lines = [each.partition(" ms ")[2] for each in caplog.messages if each.startswith("error_request_time")]
    assert lines == [
        f"handler=recs site={SITE} method=GET status_code=400",
        "handler=none site=none method=POST status_code=404",
    ]


def test_callers_cannot_make_figures_without_end(client, filled, clock, caplog):
    caplog.set_level(logging.INFO, logger="quartet.api.articles.metrics")
    for number in range(130):
        client.get(f"/recs?site=site{number}")
    clock.now += 60
    client.get(f"/models?site={SITE}")
    requests = [each for each in caplog.messages if each.startswith("total_rec_requests")]
    assert len(requests) == 101
    assert "total_rec_requests 30 site=other" in requests


def test_figures_never_fail_a_request(client, filled, monkeypatch):
    monkeypatch.setattr("quartet.api.articles.metrics.Metrics.answered", lambda *_: 1 / 0)
    assert client.get("/recs").status_code == 200

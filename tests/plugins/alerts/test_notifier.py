"""Notifications, with a web server in place of a service."""

import logging

import pytest

from quartet.alerts.notifier import notify, run_url

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise imports it


@pytest.fixture
def service(collector, monkeypatch):
    """Return what the service named by the setting has received."""
    monkeypatch.setenv("QUARTET_NOTIFY_URL", collector.url.replace("http", "json") + "/one")
    return collector.messages


def test_by_default_nobody_is_notified(monkeypatch):
    monkeypatch.setattr("quartet.alerts.notifier._send", lambda *_: pytest.fail("somebody was told"))
    assert notify("a title", "a text") is False


def test_title_and_text_arrive_as_they_are(service):
    text = "expected {{ 1 / 0 }} and {% raise %}, found <b> & ü"  # the text of an error is no template
    assert notify("Quartet: a title", text) is True
    assert [(each["title"], each["message"], each["type"]) for each in service] == [
        ("Quartet: a title", text, "failure")
    ]


def test_several_services_are_notified(service, collector, monkeypatch):
    address = collector.url.replace("http", "json")
    monkeypatch.setenv("QUARTET_NOTIFY_URL", f"{address}/one, {address}/two {address}/three?+x=a,b")
    notify("a title", "a text")
    assert len(service) == 3


def test_a_service_that_does_not_answer_is_logged_without_its_password(monkeypatch, caplog):
    monkeypatch.setenv("QUARTET_NOTIFY_URL", "json://user:hush-hush@127.0.0.1:9/path/secret-token")
    with caplog.at_level(logging.DEBUG):
        assert notify("a title", "a text") is True
    assert "127.0.0.1" in caplog.text
    assert "hush-hush" not in caplog.text
    assert "secret-token" not in caplog.text


def test_a_notification_that_breaks_is_harmless_and_does_not_show_the_address(monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("json://user:hush-hush@host")

    monkeypatch.setenv("QUARTET_NOTIFY_URL", "json://user:hush-hush@127.0.0.1:9")
    monkeypatch.setattr("quartet.alerts.notifier._send", fail)
    assert notify("a title", "a text") is True
    assert "RuntimeError" in caplog.text
    assert "hush-hush" not in caplog.text


def test_the_address_of_a_run_is_quoted(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://quartet.example/")
    assert run_url("a_dag", "manual__1+00:00/x") == "https://quartet.example/dags/a_dag/runs/manual__1%2B00%3A00%2Fx"

"""Environment of the components."""

import os
from dataclasses import replace

import pytest

from deploy.embedded.environment import component_environment, defaults, identity, metrics

KEYS = {"AIRFLOW__CORE__FERNET_KEY": "k"}


def test_every_airflow_setting_exists_in_this_airflow(instance):
    from airflow.configuration import conf

    names = [name for name in identity(instance) | defaults() | metrics("http://c:1") if name.startswith("AIRFLOW__")]
    assert len(names) > 30
    for name in names:
        section, option = name.removeprefix("AIRFLOW__").lower().split("__", 1)
        assert option in conf.configuration_description[section]["options"], name
        assert (section, option) not in conf.deprecated_options.values() or conf.configuration_description[section]
        assert (section, option) not in conf.inversed_deprecated_options, f"{name} is deprecated"


def test_only_this_machine_is_listened_to_and_everybody_on_it_may_do_everything(instance):
    environment = component_environment(instance, KEYS, {})
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "True"


def test_metrics_are_sent_where_a_collector_is_named_and_nowhere_else(instance):
    off = component_environment(instance, KEYS, {})
    assert off["AIRFLOW__METRICS__OTEL_ON"] == "False"
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in off
    named = replace(instance, otel_endpoint="http://collector:4318")
    on = component_environment(named, KEYS, {"OTEL_SERVICE_NAME": "mine"})
    assert on["AIRFLOW__METRICS__OTEL_ON"] == "True"
    assert on["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert on["OTEL_SERVICE_NAME"] == "mine"
    assert on["AIRFLOW__TRACES__OTEL_ON"] == "False"


def test_the_caller_may_tune_but_not_lead_to_another_home(instance):
    caller = {"AIRFLOW__CORE__PARALLELISM": "9", "AIRFLOW_HOME": "/elsewhere", "AIRFLOW__API__PORT": "1"}
    environment = component_environment(instance, KEYS, caller)
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "9"
    assert environment["AIRFLOW_HOME"] == str(instance.home)
    assert environment["AIRFLOW__API__PORT"] == str(instance.port)


def test_a_proxy_is_not_asked_for_this_machine(instance):
    environment = component_environment(instance, KEYS, {"no_proxy": "example.org"})
    assert environment["no_proxy"] == "example.org,127.0.0.1,localhost"
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"


def test_the_interpreters_folder_comes_first_on_the_path(instance):
    path = component_environment(instance, KEYS, {"PATH": "/usr/bin"})["PATH"]
    assert path.split(os.pathsep)[-1] == "/usr/bin"
    assert len(path.split(os.pathsep)) == 2


@pytest.mark.parametrize("port", [1, 8080, 54_999, 55_000, 65_535])
def test_log_server_ports_are_ports(instance, port):
    environment = identity(replace(instance, port=port))
    ports = {int(environment[f"AIRFLOW__LOGGING__{kind}_LOG_SERVER_PORT"]) for kind in ("WORKER", "TRIGGER")}
    assert len(ports) == 2
    assert all(0 < each < 65_536 and each != port for each in ports)


def test_a_late_heartbeat_is_not_taken_for_a_death():
    """The database shows the last heartbeat but one, so the threshold must be many times two heartbeats."""
    values = defaults()
    assert 4 * 2 * int(values["AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC"]) <= int(
        values["AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD"]
    )

"""Supervisord's configuration and socket."""

import configparser
import shlex
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.embedded import component
from deploy.embedded.cluster import DATABASE
from deploy.embedded.instance import COMPONENTS, MAX_SOCKET
from deploy.embedded.supervision import Supervisor, configuration


@pytest.fixture
def config():
    parser = configparser.RawConfigParser()
    parser.read_string(configuration((DATABASE, *COMPONENTS)))
    return parser


def test_there_is_a_program_for_each_component_in_a_group_that_is_emptied(config):
    for name in COMPONENTS:
        program = config[f"program:{name}"]
        assert shlex.split(program["command"])[-2:] == ["deploy.embedded.component", name]
        assert program["environment"] == f'QUARTET_COMPONENT="{name}"'
        assert [program[key] for key in ("autorestart", "stopasgroup", "killasgroup")] == ["true"] * 3
        assert program["autostart"] == "false"  # until its database is migrated


def test_the_database_starts_first_stops_last_and_closes_its_connections(config):
    database = config[f"program:{DATABASE}"]
    assert [database[key] for key in ("autorestart", "killasgroup", "priority")] == ["true", "true", "1"]
    assert (database["stopsignal"], "stopasgroup" in database, "autostart" in database) == ("INT", False, False)
    assert not [name for name in COMPONENTS if "priority" in config[f"program:{name}"]]  # supervisor's default is 999


def test_no_path_of_this_machine_is_in_it(config):
    values = [value for section in config.sections() for value in config[section].values()]
    assert not [value for value in values if value.startswith("/") or str(Path.home()) in value]


def test_the_socket_is_only_for_its_owner(config):
    assert config["unix_http_server"]["chmod"] == "0700"
    assert not config.has_section("inet_http_server")


def test_the_api_server_and_the_database_come_before_tasks():
    niceness = {name: component.NICENESS.get(name, 0) for name in (DATABASE, *COMPONENTS)}
    assert niceness == {"database": 0, "api-server": 0, "scheduler": 5, "dag-processor": 5, "triggerer": 0}


def test_a_component_has_its_priority_before_airflow_starts(monkeypatch):
    started = []
    monkeypatch.setenv("QUARTET_INSTANCE", "none")
    monkeypatch.setattr(component, "sweep", lambda *_, **__: 0)
    monkeypatch.setattr(component, "PRELOADED", {})
    monkeypatch.setattr(component.gc, "freeze", lambda: None)
    monkeypatch.setattr(component.gc, "set_threshold", lambda *_: None)
    monkeypatch.setattr(component.sys, "argv", [])
    monkeypatch.setattr(component.os, "nice", started.append)
    monkeypatch.setattr(component.runpy, "run_module", lambda name, **_: started.append(name))
    component.main("scheduler")
    assert started == [5, "airflow"]


def test_components_serve_no_logs_and_do_not_import_from_the_working_directory():
    assert {name: component.command(name)[1:] for name in COMPONENTS} == {
        "api-server": ["-P", "-m", "airflow", "api-server"],
        "scheduler": ["-P", "-m", "airflow", "scheduler", "--skip-serve-logs"],
        "dag-processor": ["-P", "-m", "airflow", "dag-processor"],
        "triggerer": ["-P", "-m", "airflow", "triggerer", "--skip-serve-logs"],
    }


def test_a_home_with_a_long_path_has_its_socket_in_the_temporary_folder(instance):
    assert instance.socket.parent == instance.run or len(str(instance.run)) > MAX_SOCKET - 20
    long = replace(instance, home=instance.home / ("x" * 100))
    assert long.socket.parent != long.run
    assert long.mark in long.socket.name
    assert len(str(long.socket)) <= MAX_SOCKET
    assert replace(long, home=instance.home / ("y" * 100)).socket != long.socket


def test_a_socket_that_nobody_listens_on_is_no_supervisord(instance):
    assert Supervisor(instance).pid() is None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(instance.socket))
    assert Supervisor(instance).pid() is None
    assert not Supervisor(instance).stop()


def test_deaths_are_counted_since_the_last_start(instance):
    (instance.logs / "supervisord.log").write_text(
        "INFO supervisord started with pid 1\nWARN exited: scheduler (terminated by SIGKILL; not expected)\n"
        "INFO supervisord started with pid 2\nWARN exited: triggerer (exit status 1; not expected)\n"
        "WARN exited: triggerer (exit status 1; not expected)\n"
    )
    assert Supervisor(instance).restarts() == {
        "database": 0,
        "api-server": 0,
        "scheduler": 0,
        "dag-processor": 0,
        "triggerer": 2,
    }

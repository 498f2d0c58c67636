"""Messages and exit codes of the commands, where nothing needs to run."""

import fcntl
import os
import socket
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from deploy.embedded import __main__ as cli
from deploy.embedded import commands, port, record
from deploy.embedded.errors import EmbeddedError, PortTakenError
from deploy.settings import SECTIONS


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_wrong_setting_is_named_and_ends_with_2(home, monkeypatch, capsys):
    monkeypatch.setenv("QUARTET_PORT", "http")
    assert cli.main(["up"]) == 2
    message = capsys.readouterr().err
    assert "QUARTET_PORT='http' is not allowed" in message
    assert "1 to 65535" in message
    assert list(home.iterdir()) == []


def test_down_and_status_when_nothing_runs(home, capsys):
    assert cli.main(["down"]) == 0
    assert "nothing is running" in capsys.readouterr().out
    assert cli.main(["status"]) == 0
    output = capsys.readouterr().out
    assert "nothing is running; start the platform with make up" in output
    assert str(home) in output


def test_down_without_a_home_makes_none(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("QUARTET_HOME", str(tmp_path / "none"))
    assert cli.main(["down"]) == 0
    assert "nothing is running" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_a_taken_port_names_its_holder_and_a_free_one(taken):
    with pytest.raises(PortTakenError) as error:
        port.require_free(taken)
    assert f"port {taken} is taken by" in str(error.value)
    assert f"process {os.getpid()}" in str(error.value)
    free = int(str(error.value).split("QUARTET_PORT=")[1].split()[0])
    port.require_free(free)


def test_up_on_a_taken_port_starts_nothing(home, taken, monkeypatch, capsys):
    monkeypatch.setenv("QUARTET_PORT", str(taken))
    assert cli.main(["up"]) == 1
    assert f"port {taken} is taken" in capsys.readouterr().err
    assert not (home / "airflow.db").exists()


def test_a_home_that_cannot_be_made_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("QUARTET_HOME", str(tmp_path / "file" / "home"))
    assert cli.main(["up"]) == 1
    assert "cannot create" in capsys.readouterr().err


@pytest.mark.parametrize("line", [["env"], ["airflow", "dags", "list"]])
def test_airflows_own_commands_before_the_first_up_name_the_remedy(tmp_path, monkeypatch, capsys, line):
    monkeypatch.setenv("QUARTET_HOME", str(tmp_path / "none"))
    assert cli.main(line) == 1
    assert "make up" in capsys.readouterr().err


def test_mlflow_before_the_first_up_names_the_remedy(home, capsys):
    assert cli.main(["mlflow"]) == 1
    assert "make up" in capsys.readouterr().err


def test_the_second_command_waits_for_the_first_and_gives_up_in_bounded_time(instance):
    told = []
    with (instance.run / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with (
            pytest.raises(EmbeddedError, match="giving up"),
            instance.lock(lambda: told.append("waiting"), deadline_seconds=0.2),
        ):
            pass
    assert told == ["waiting"]
    with instance.lock(lambda: told.append("waiting")):
        pass
    assert told == ["waiting"]


def test_a_stale_socket_and_pid_are_removed(instance):
    instance.socket.touch()
    (instance.run / "supervisord.pid").write_text("1\n")
    with Console(quiet=True) as console:
        commands.down(instance, console)
    assert not instance.socket.exists()
    assert not (instance.run / "supervisord.pid").exists()


def test_the_record_has_port_start_and_changed_settings(instance):
    since = datetime(2026, 3, 1, tzinfo=UTC)
    record.write(instance, since, {"RATINGS_SEED": "1", "HOME": "/root", "QUARTET_PORT": "18080"})
    assert record.running(replace(instance, port=1)).port == instance.port
    assert record.started(instance) == since
    changed = record.changed(instance, {"RATINGS_SEED": "2", "HOME": "/", "QUARTET_PORT": "18080", "MLFLOW_X": "y"})
    assert [name for name in changed if name != ".env"] == ["MLFLOW_X", "RATINGS_SEED"]
    record.remove(instance)
    assert record.running(instance) == instance
    assert record.changed(instance, {"RATINGS_SEED": "2"}) == []


def test_an_incomplete_record_counts_as_none(instance):
    (instance.run / "platform.json").write_text('{"port": 1')
    assert record.running(instance) == instance


@pytest.mark.parametrize("section", [*SECTIONS])
def test_a_changed_setting_of_any_section_is_noticed(instance, section):
    names = [settings.variable(field) for settings in SECTIONS[section] for field in settings.model_fields]
    record.write(instance, datetime.now(UTC), dict.fromkeys(names, "1"))
    changed = record.changed(instance, dict.fromkeys(names, "2"))
    assert [name for name in changed if name != ".env"] == sorted(names)

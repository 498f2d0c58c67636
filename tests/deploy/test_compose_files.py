"""docker-compose.yaml and its secrets, as far as they can be checked without Docker."""

import base64
import re
import stat
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from deploy import settings
from deploy.compose import env
from deploy.settings.compose import ComposeSettings
from include.core.settings import ROOT

TEXT = (ROOT / "docker-compose.yaml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
REQUIRED = set(re.findall(r"\$\{(\w+):\?", TEXT))
USED = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))


def test_each_variable_is_a_setting():
    known = settings.variables()
    assert USED - known == set()


def test_each_setting_of_the_stack_is_used():
    assert {ComposeSettings.variable(field) for field in ComposeSettings.model_fields} - USED == {"COMPOSE_PROFILES"}


def test_all_secrets_are_required_and_made_by_make_env():
    assert set(env.SECRETS) == REQUIRED
    secret = {
        ComposeSettings.variable(name)
        for name, each in ComposeSettings.model_fields.items()
        if each.annotation is SecretStr
    }
    assert secret - REQUIRED == {"STORAGE_SECRET_KEY"}  # not needed with files, or with a role in AWS


def test_no_secret_has_a_default():
    assert not re.findall(r"\$\{\w*(?:PASSWORD|SECRET|KEY)\w*:?-[^$}]", TEXT)


def test_ports_are_open_on_this_machine_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith(("127.0.0.1:", "${QUARTET_BIND:-127.0.0.1}:")) for port in ports)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_bounded_checked_and_started_again(name: str):
    service = SERVICES[name]
    once = name in ("init", "demo")
    assert service["mem_limit"]
    assert service["restart"] == ("no" if once else "unless-stopped")
    assert once or service["healthcheck"]["test"]
    assert all(each["condition"] != "service_started" for each in service.get("depends_on", {}).values())
    assert not service["image"].endswith(":latest")
    assert ":" in service["image"]


@pytest.mark.parametrize("name", sorted(name for name, each in SERVICES.items() if "quartet" in each["image"]))
def test_our_own_containers_have_no_privileges(name: str):
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_only_components_that_need_it_have_airflows_database():
    owners = {
        name for name, each in SERVICES.items() if "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in each.get("environment", {})
    }
    assert owners == {"init", "api-server", "scheduler", "dag-processor", "triggerer"}


def test_existing_values_are_kept_and_missing_ones_generated(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / ".env").write_text("# REDIS_PASSWORD=no\nREDIS_PASSWORD=mine\nPOSTGRES_PASSWORD=\nOTHER=a=b\n")
    assert env.main([], tmp_path) == 0
    lines = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines() if line[:1].isalpha())
    assert (lines["REDIS_PASSWORD"], lines["OTHER"]) == ("mine", "a=b")
    made = {name: lines[name] for name in env.SECRETS if name != "REDIS_PASSWORD"}
    assert len({*made.values()}) == len(env.SECRETS) - 1
    lengths = {name: len(value) for name, value in made.items() if re.fullmatch(r"[\w-]+", value)}
    assert lengths == {name: 86 if "JWT" in name else 32 for name in made if name != "AIRFLOW_FERNET_KEY"}
    assert len(base64.urlsafe_b64decode(made["AIRFLOW_FERNET_KEY"])) == 32
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    printed = capsys.readouterr().out
    assert "12 secrets added" in printed
    assert not any(value in printed for value in made.values())


def test_a_second_call_changes_nothing(tmp_path: Path):
    (tmp_path / ".env.example").write_text("# all settings\n")
    env.main([], tmp_path)
    before = (tmp_path / ".env").read_bytes()
    env.main([], tmp_path)
    assert (tmp_path / ".env").read_bytes() == before
    env.main(["--s3"], tmp_path)
    after = (tmp_path / ".env").read_text()
    assert after.startswith(before.decode().rstrip("\n"))
    assert "QUARTET_STORAGE=s3://quartet\n" in after


@pytest.mark.parametrize(
    "name", ["AIRFLOW_DB_PASSWORD", "ARTICLES_DB_PASSWORD", "MLFLOW_DB_PASSWORD", "REDIS_PASSWORD"]
)
@pytest.mark.parametrize(
    "value", ["my@pass", "p/ss", "p#ss", "p?ss", "p[ss", "p%41ss", "p:ss", "two words", "'pa$s'", "ñ"]
)
def test_a_password_that_would_break_an_address_is_named(tmp_path: Path, capsys, name: str, value: str):
    (tmp_path / ".env").write_text(f"{name}={value}\n")
    assert env.main([], tmp_path) == 1
    printed = capsys.readouterr()
    assert f"{name} has characters that cannot be part of an address" in printed.err
    assert "docker compose up" not in printed.out
    assert value not in printed.out + printed.err
    assert f"{name}={value}" in (tmp_path / ".env").read_text(), "the file is completed, the value is kept"


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a b", "ä"])
def test_a_secret_that_would_break_json_is_named(value: str):
    assert len(env.unusable({"QUARTET_SERVICE_PASSWORD": value})) == 1
    assert (
        env.unusable({"STORAGE_SECRET_KEY": "wJalr/XUtnFEMI+K7MDENG=", "AIRFLOW_DB_PASSWORD": "a.b_c~d=e+f*g!h-i"})
        == []
    )


@pytest.mark.parametrize(
    "value", ["pa$w0rd", '"pa$w0rd"', "Correct$Battery", "two words #x", "it's", 'say "so"', "a\\b"]
)
def test_a_password_that_docker_reads_differently_is_named(tmp_path: Path, capsys, value: str):
    (tmp_path / ".env").write_text(f"INPUT_PASSWORD={value}\n")
    assert env.main([], tmp_path) == 1
    assert "INPUT_PASSWORD has a dollar sign" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["'pa$w0rd'", "'two words #x'", "p@ss/wo#rd1?", "two words"])
def test_other_passwords_are_taken_as_they_are(tmp_path: Path, value: str):
    (tmp_path / ".env").write_text(f"INPUT_PASSWORD={value}\n")
    assert env.main([], tmp_path) == 0


def test_that_the_emulator_keeps_nothing_is_said(tmp_path: Path, capsys):
    (tmp_path / ".env.example").write_text("# all settings\n")
    assert env.main([], tmp_path) == 0
    assert "tests only" not in capsys.readouterr().out
    assert env.main(["--s3"], tmp_path) == 0
    printed = capsys.readouterr().out
    assert "5 variables added" in printed
    assert "for tests only" in printed
    assert "restart of its container loses it" in printed


def test_the_image_has_the_modules_that_init_imports():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines.index("!deploy/compose/*.py") > lines.index("deploy/compose/*")


def test_the_image_has_what_the_settings_refer_to():
    text = (ROOT / "Dockerfile").read_text()
    for expected in (
        "AIRFLOW__CORE__DAGS_FOLDER=/opt/quartet/dags",
        "QUARTET_HOME=/var/lib/quartet",
        "ARG BASE_IMAGE=",
    ):
        assert expected in text
    assert "latest" not in text
    assert text.rindex("USER airflow") > text.rindex("USER root")

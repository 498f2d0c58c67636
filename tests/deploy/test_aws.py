"""
The AWS stack: synthesised without AWS, linted, and held to the promises of its README.

One file, because synthesising takes ten seconds and is done once for all tests of a file.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from include.core.settings import ROOT
from tests.deploy.aws_template import Template

AIRFLOW = {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quartet:0.1.0"
NOTIFY = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:notify-AbCdEf"
PUBLIC = {
    "image": IMAGE,
    "started": "true",
    "domain": "quartet.example.org",
    "certificate_arn": "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-1111-2222-3333-444444444444",
    "hosted_zone_id": "Z0123456789ABCDEFGHIJ",
    "hosted_zone_name": "example.org",
    "read_buckets": "events,spins",
    "environment": '{"SONGS_MINROWS": "7"}',
    "secrets": json.dumps({"QUARTET_NOTIFY_URL": NOTIFY}),
}
GIVEN = {
    "image": IMAGE,
    "started": "false",
    "shell": "true",
    "standby": "true",
    "sizes": '{"worker": [4096, 16384]}',
    "vpc": json.dumps(
        {
            "vpc_id": "vpc-0123456789abcdef0",
            "cidr": "10.8.0.0/16",
            "availability_zones": ["eu-central-1a", "eu-central-1b"],
            "public_subnet_ids": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"],
            "private_subnet_ids": ["subnet-0123456789abcdef3", "subnet-0123456789abcdef4"],
        }
    ),
}


@pytest.fixture(scope="module")
def synthesise(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str]], Template]:
    import aws_cdk

    from deploy.aws import app

    flags = json.loads((ROOT / "deploy/aws/cdk.json").read_text())["context"]

    def synthesise(context: dict[str, str]) -> Template:
        folder = tmp_path_factory.mktemp("cdk")
        app.main(aws_cdk.App(context=flags | context, outdir=str(folder), analytics_reporting=False))
        return Template(json.loads((folder / "Quartet.template.json").read_text()))

    return synthesise


@pytest.fixture(scope="module")
def public(synthesise) -> Template:
    """The stack with a domain and a certificate, running."""
    return synthesise(PUBLIC)


@pytest.fixture(scope="module")
def given(synthesise) -> Template:
    """The stack in an existing network, without a certificate, before the init task has run."""
    return synthesise(GIVEN)


@pytest.fixture(params=["public", "given"])
def template(request: pytest.FixtureRequest) -> Template:
    return request.getfixturevalue(request.param)


def test_cfn_lint_finds_nothing(template):
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    # W3005: the CDK also writes those dependencies down that follow from a reference
    found = lint(json.dumps(template.content), config=ManualArgs(ignore_checks=["W3005"], regions=["eu-central-1"]))
    assert [f"{match.rule.id} {match.message}" for match in found] == []


def test_nothing_is_public_but_the_load_balancer(template):
    for name, group in template.of("EC2::SecurityGroup").items():
        open_to_addresses = group["Properties"].get("SecurityGroupIngress", [])
        assert bool(open_to_addresses) == ("loadbalancer" in name)
    for rule in template.of("EC2::SecurityGroupIngress").values():
        assert "SourceSecurityGroupId" in rule["Properties"]
        assert "CidrIp" not in rule["Properties"]
    for service in template.of("ECS::Service").values():
        assert service["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
    for database in template.of("RDS::DBInstance").values():
        assert database["Properties"]["PubliclyAccessible"] is False
    for subnet in template.of("EC2::Subnet").values():
        assert subnet["Properties"]["MapPublicIpOnLaunch"] is False


def test_users_connect_over_https(public):
    assert public.only("ElasticLoadBalancingV2::LoadBalancer")["Properties"]["Scheme"] == "internet-facing"
    listeners = {
        each["Properties"]["Port"]: each["Properties"]
        for each in public.of("ElasticLoadBalancingV2::Listener").values()
    }
    assert listeners.keys() == {80, 443}
    assert listeners[443]["Protocol"] == "HTTPS"
    assert listeners[443]["Certificates"] == [{"CertificateArn": PUBLIC["certificate_arn"]}]
    (action,) = listeners[80]["DefaultActions"]
    assert action["RedirectConfig"]["Protocol"] == "HTTPS"


def test_the_domain_gets_a_record(public, given):
    record = public.only("Route53::RecordSet")["Properties"]
    assert (record["Name"], record["HostedZoneId"]) == ("quartet.example.org.", PUBLIC["hosted_zone_id"])
    assert given.of("Route53::RecordSet") == {}


def test_without_a_certificate_the_load_balancer_is_not_public(given):
    assert given.only("ElasticLoadBalancingV2::LoadBalancer")["Properties"]["Scheme"] == "internal"


def test_allowed_connections(template):
    ways: dict[str, set[tuple[str, int]]] = {}
    for rule in (each["Properties"] for each in template.of("EC2::SecurityGroupIngress").values()):
        assert rule["FromPort"] == rule["ToPort"]
        source, target = template.group(rule["SourceSecurityGroupId"]), template.group(rule["GroupId"])
        ways.setdefault(target, set()).add((source, rule["ToPort"]))
    assert ways == {
        "postgres": {(each, 5432) for each in [*AIRFLOW, "mlflow", "init"]},
        "mariadb": {("api-server", 3306), ("worker", 3306), ("dag-processor", 3306), ("init", 3306)},
        "redis": {("scheduler", 6379), ("worker", 6379)},
        "api-server": {("load-balancer", 8080), ("worker", 8080)},
        "mlflow": {("worker", 5000)},
        "worker": {("api-server", 8793)},
        "triggerer": {("api-server", 8794)},
    }


def test_only_those_that_call_others_connect_to_more_than_https(template):
    ports = {
        template.resources[name]["Properties"]["GroupDescription"].removeprefix("Quartet: "): {
            rule["ToPort"]
            for rule in group["Properties"]["SecurityGroupEgress"]
            if rule["CidrIp"] == "0.0.0.0/0"  # the CDK writes an impossible address where nothing may go out
        }
        for name, group in template.of("EC2::SecurityGroup").items()
        if "SecurityGroupEgress" in group["Properties"]
    }
    assert {name: found for name, found in ports.items() if found} == {
        **{name: {443} for name in [*AIRFLOW, "mlflow", "init"]},
        **{name: {80, 443, 465, 587} for name in ["worker", "triggerer", "dag-processor"]},
    }


def test_databases_are_encrypted_backed_up_and_protected(template):
    databases = template.of("RDS::DBInstance").values()
    assert {each["Properties"]["Engine"] for each in databases} == {"postgres", "mariadb"}
    for database in databases:
        properties = database["Properties"]
        assert properties["StorageEncrypted"] is True
        assert properties["DeletionProtection"] is True
        assert properties["BackupRetentionPeriod"] == 14
        assert properties["MasterUserPassword"]["Fn::Join"][1][0] == "{{resolve:secretsmanager:"
        assert (database["DeletionPolicy"], database["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")
    parameters = [each["Properties"]["Parameters"] for each in template.of("RDS::DBParameterGroup").values()]
    assert {"rds.force_ssl": "1"} in parameters


def test_redis_requires_tls_and_a_token_and_loses_no_task(template):
    redis = template.only("ElastiCache::ReplicationGroup")["Properties"]
    assert redis["TransitEncryptionEnabled"] is True
    assert redis["AtRestEncryptionEnabled"] is True
    assert template.text(redis["AuthToken"]).startswith("{{resolve:secretsmanager:<")
    assert template.only("ElastiCache::ParameterGroup")["Properties"]["Properties"] == {
        "maxmemory-policy": "noeviction"
    }


def test_a_standby_is_a_second_machine(public, given):
    for template, standby in ((public, False), (given, True)):
        for database in template.of("RDS::DBInstance").values():
            assert database["Properties"]["MultiAZ"] is standby
        redis = template.only("ElastiCache::ReplicationGroup")["Properties"]
        assert (redis["NumCacheClusters"], redis["AutomaticFailoverEnabled"]) == (1 + standby, standby)


def test_the_bucket_is_private_encrypted_and_stays(template):
    bucket = template.only("S3::Bucket")
    properties = bucket["Properties"]
    assert bucket["DeletionPolicy"] == "Retain"
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    denied = [
        each["Condition"]
        for each in template.only("S3::BucketPolicy")["Properties"]["PolicyDocument"]["Statement"]
        if (each["Effect"], each["Action"], each["Principal"]) == ("Deny", "s3:*", {"AWS": "*"})
    ]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied


def test_all_logs_are_in_one_group_and_kept_for_a_month(template):
    (name,) = template.of("Logs::LogGroup")
    assert template.resources[name]["Properties"]["RetentionInDays"] == 30
    for container in template.containers().values():
        assert container["LogConfiguration"]["Options"]["awslogs-group"] == {"Ref": name}
    for component in AIRFLOW:
        environment = template.environment(component)
        assert environment["AIRFLOW__LOGGING__REMOTE_LOGGING"] == "True"
        assert environment["AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"] == (
            f"cloudwatch://arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group:<{name}>"
        )


def test_no_permission_is_broader_than_necessary(template):
    for _, actions, resources in template.statements():
        assert not [each for each in actions if "*" in each], actions
        if "*" in resources:
            # AWS knows no resource for these: a login at the registry; the channel of a shell in a container
            assert set(actions) <= {
                "ecr:GetAuthorizationToken",
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            }, actions
    for role in template.of("IAM::Role").values():
        assert "ManagedPolicyArns" not in role["Properties"]
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert template.of("IAM::User") == {}


def test_a_shell_is_possible_only_when_requested(public, given):
    for template, possible in ((public, False), (given, True)):
        actions = {action for _, actions, _ in template.statements() for action in actions}
        assert ("ssmmessages:OpenDataChannel" in actions) is possible


def test_write_access_to_the_storage(public):
    (bucket,) = public.of("S3::Bucket")
    root = f"<{bucket}.Arn>/quartet"
    put = {name: public.permissions(name).get("s3:PutObject", set()) for name in [*AIRFLOW, "mlflow", "init"]}
    assert {name: found for name, found in put.items() if found} == {
        "worker": {f"{root}/*"},
        "api-server": {f"{root}/ratings/training/*", f"{root}/ratings/streaming/*"},
    }
    deleting = [name for name in put if "s3:DeleteObject" in public.permissions(name)]
    assert deleting == ["worker"]
    assert public.permissions("mlflow")["s3:GetObject"] == {f"{root}/mlflow/*"}
    assert public.permissions("worker")["s3:GetObject"] >= {"arn:<AWS::Partition>:s3:::events/*"}
    assert "s3:GetObject" not in public.permissions("scheduler")


def test_callbacks_of_failed_runs_reach_what_they_need(public):
    # the DAG processor runs them: they look connections up, and read the plan of a run of articles
    (bucket,) = public.of("S3::Bucket")
    granted, worker = public.permissions("dag-processor"), public.permissions("worker")
    assert granted["s3:GetObject"] == {f"<{bucket}.Arn>/quartet/articles/*"}
    assert granted["s3:ListBucket"] == {f"<{bucket}.Arn>"}
    assert granted["secretsmanager:GetSecretValue"] == worker["secretsmanager:GetSecretValue"]


def test_components_of_airflow_have_the_same_image_and_secrets(template):
    containers = template.containers()
    assert containers.keys() == {*AIRFLOW, "mlflow", "databases", "init"}
    (image,) = {template.text(each["Image"]) for each in containers.values()}
    assert image == IMAGE.replace("amazonaws.com", "<AWS::URLSuffix>")
    shared = template.secrets("scheduler")
    assert shared.keys() - {"QUARTET_NOTIFY_URL"} == {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW__CELERY__RESULT_BACKEND",
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__API__SECRET_KEY",
    }
    for component in [*AIRFLOW, "init"]:
        assert template.secrets(component).items() >= shared.items()
        assert template.environment(component).items() >= template.environment("scheduler").items()
    with_audience = {name for name in AIRFLOW if "OUTPUT_PASSWORD" in template.secrets(name)}
    assert with_audience == {"api-server", "worker", "dag-processor"}
    assert template.secrets("mlflow").keys() == {"MLFLOW_BACKEND_STORE_URI"}
    masters = {name for name in containers if "POSTGRES_MASTER" in template.secrets(name)}
    assert masters == {"databases"}


def test_further_secrets_are_given_to_airflow_by_name(public, given):
    with_it = {name for name in public.containers() if public.secrets(name).get("QUARTET_NOTIFY_URL") == NOTIFY}
    assert with_it == {*AIRFLOW, "init"}
    assert "QUARTET_NOTIFY_URL" not in given.secrets("worker")


def test_no_secret_is_in_the_template(template):
    composed = []
    for secret in template.of("SecretsManager::Secret").values():
        properties = secret["Properties"]
        if "SecretString" not in properties:
            assert properties["GenerateSecretString"]["PasswordLength"] >= 30
            continue
        text = template.text(properties["SecretString"])
        composed.append(re.sub(r"\{\{resolve:secretsmanager:<[^}]+>:SecretString:::\}\}", "***", text))
    values = sorted(composed)
    assert len(values) == 6
    passwords = [
        word
        for value in values
        for word in re.findall(r'"password": "([^"]*)"|://\w*:([^@]*)@|_(?:KEY|SECRET)": "([^"]*)"', value)
    ]
    assert {"".join(each) for each in passwords} == {"***", "***="}
    assert len(passwords) == 2 + 3 + 1 + 3  # connections; Airflow's addresses; MLflow's; three keys
    named = re.compile("password|secret|token|_key|sql_alchemy|broker_url", re.IGNORECASE)
    for container in template.containers():
        told = {name for name in template.environment(container) if named.search(name)}
        assert told <= {"AIRFLOW__SECRETS__BACKEND", "AIRFLOW__SECRETS__BACKEND_KWARGS"}


def test_the_init_task_creates_the_databases_first(template):
    task = next(
        each["Properties"]
        for each in template.of("ECS::TaskDefinition").values()
        if len(each["Properties"]["ContainerDefinitions"]) == 2
    )
    databases, init = task["ContainerDefinitions"]
    assert databases["Command"] == ["python", "-m", "deploy.production.databases"]
    assert databases["Essential"] is False
    assert init["Command"] == ["python", "-m", "deploy.production.init"]
    assert init["Essential"] is True
    assert init["DependsOn"] == [{"Condition": "SUCCESS", "ContainerName": "databases"}]
    command = template.text(template.content["Outputs"]["RunInit"]["Value"])
    assert command.startswith("aws ecs run-task --cluster <")
    assert command.endswith(",assignPublicIp=DISABLED}'")


def test_nothing_runs_before_the_init_task(public, given):
    def counts(template: Template) -> set[int]:
        return {each["Properties"]["DesiredCount"] for each in template.of("ECS::Service").values()}

    assert counts(given) == {0}
    assert given.of("ApplicationAutoScaling::ScalableTarget") == {}
    assert counts(public) == {1}
    assert len(public.of("ECS::Service")) == len(AIRFLOW) + 1
    target = public.only("ApplicationAutoScaling::ScalableTarget")["Properties"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)


def test_sizes_are_as_given(public, given):
    def size(template: Template, component: str) -> tuple[str, str]:
        for task in (each["Properties"] for each in template.of("ECS::TaskDefinition").values()):
            if task["ContainerDefinitions"][0]["Name"] == component:
                return task["Cpu"], task["Memory"]
        raise AssertionError(component)

    assert size(public, "worker") == ("2048", "8192")
    assert size(given, "worker") == ("4096", "16384")
    assert size(given, "scheduler") == size(public, "scheduler")


def test_airflow_schedules_and_nothing_else(template):
    kinds = {each["Type"] for each in template.resources.values()}
    assert not [kind for kind in kinds if kind.startswith(("AWS::Events", "AWS::Scheduler", "AWS::Lambda", "Custom"))]


@pytest.fixture
def told(public: Template, monkeypatch: pytest.MonkeyPatch, home: Path) -> dict[str, str]:
    """Set the environment of the API server, with made-up hosts and passwords."""
    environment = {
        name: value.replace("<", "").replace(">", "") for name, value in public.environment("api-server").items()
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def test_quartets_settings_accept_the_environment(told):
    from deploy import settings
    from include.audience.settings import AudienceSettings
    from include.core.settings import PlatformSettings
    from include.songs.settings import SongSettings

    settings.check()
    assert PlatformSettings.load().allowed_hosts == ["quartet.example.org", "api-server.quartet.internal", "localhost"]
    assert re.fullmatch(r"s3://Storage\w+/quartet", PlatformSettings.load().storage_url)
    assert AudienceSettings.load().source_url("wh_demo").username == "audience_input"
    assert SongSettings.load().minrows == 7


def test_celery_connects_to_redis_over_tls(told, monkeypatch):
    import ssl

    from airflow.configuration import conf
    from airflow.providers.celery.executors.default_celery import get_default_celery_config

    monkeypatch.setenv("AIRFLOW__CELERY__BROKER_URL", "rediss://:token@redis:6379/0")
    monkeypatch.setenv("AIRFLOW__CELERY__RESULT_BACKEND", "db+postgresql+psycopg2://airflow:pw@db:5432/airflow")
    config = get_default_celery_config(conf)
    assert config["broker_use_ssl"] == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    assert config["broker_transport_options"]["visibility_timeout"] == 86400


def test_mlflow_answers_to_its_name(public, monkeypatch):
    from mlflow.server import security_utils

    environment = public.environment("mlflow")
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", environment["MLFLOW_SERVER_ALLOWED_HOSTS"])
    hosts = security_utils.get_allowed_hosts_from_env()
    assert hosts
    address = public.environment("worker")["MLFLOW_TRACKING_URI"].removeprefix("http://")
    assert security_utils.is_allowed_host_header(hosts, address)
    assert not security_utils.is_allowed_host_header(hosts, "evil.example:5000")


def test_the_fernet_key_is_one(public):
    from cryptography.fernet import Fernet

    (generated,) = [
        each["Properties"]["GenerateSecretString"]
        for each in public.of("SecretsManager::Secret").values()
        if "FERNET_KEY" in str(each["Properties"]["Description"])
    ]
    assert generated["ExcludePunctuation"] is True
    for last in "AZaz059":  # the last character has bits that are not used
        Fernet("x" * (generated["PasswordLength"] - 1) + last + "=")


def test_the_api_server_also_answers_to_its_address(public, tmp_path):
    (tmp_path / "airflow").write_text('#!/bin/sh\necho "$@" "$QUARTET_ALLOWED_HOSTS"\n')
    (tmp_path / "hostname").write_text('#!/bin/sh\n[ "$1" = -i ] && echo 10.0.1.2 10.0.1.3\n')
    for script in tmp_path.iterdir():
        script.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.defpath}", "QUARTET_ALLOWED_HOSTS": "Load-1.elb.example,localhost"}
    command = public.containers()["api-server"]["Command"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    hosts = "Load-1.elb.example,localhost,load-1.elb.example,localhost,10.0.1.2,10.0.1.3"
    assert done.stdout == f"api-server --proxy-headers {hosts}\n"


@pytest.fixture
def vault(public: Template, s3_server: str, told, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Store the stack's connections in Secrets Manager (a moto server) and let Airflow read them from there."""
    from airflow.sdk.configuration import clear_secrets_backends_cache

    for name, value in {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    client = boto3.client("secretsmanager")
    named = [
        each["Properties"] for each in public.of("SecretsManager::Secret").values() if "Name" in each["Properties"]
    ]
    for secret in named:
        text = re.sub(r"\{\{resolve.*?\}\}", "generated", public.text(secret["SecretString"]))
        client.create_secret(Name=secret["Name"], SecretString=re.sub("[<>]", "", text))
    clear_secrets_backends_cache()
    yield client
    clear_secrets_backends_cache()
    for secret in named:
        client.delete_secret(SecretId=secret["Name"], ForceDeleteWithoutRecovery=True)


def test_airflow_finds_the_connections_in_secrets_manager(vault):
    from airflow.sdk import BaseHook, Variable

    from quartet.hooks.database import DatabaseHook
    from quartet.hooks.storage import StorageHook

    url = DatabaseHook("quartet_articles").url
    assert (url.drivername, url.username, url.password) == ("postgresql+psycopg2", "articles", "generated")
    assert (url.database, url.query["sslmode"]) == ("articles", "require")
    api = BaseHook.get_connection("quartet_api")
    assert (api.login, api.host, api.port, api.schema) == (
        "quartet-service",
        "api-server.quartet.internal",
        8080,
        "http",
    )
    assert StorageHook().environment()["AWS_ACCESS_KEY_ID"] == "id"  # of the environment, as the role's would be
    assert Variable.get("article_recs", deserialize_json=True) == {}


def test_airflow_looks_up_no_other_name(vault):
    from airflow.sdk import BaseHook

    vault.create_secret(Name="/airflow/connections/spark_default", SecretString="spark://elsewhere")
    try:
        assert BaseHook.get_connection("spark_default").host == "local[*]"
    finally:
        vault.delete_secret(SecretId="/airflow/connections/spark_default", ForceDeleteWithoutRecovery=True)

"""The manifests and values match the code, the image and Airflow; the chart itself is not available."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from airflow.configuration import conf
from airflow.sdk import Connection
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from deploy import settings as platform_settings
from deploy.helm import executor
from deploy.production.users import SERVICE_CONNECTION
from include.core.settings import ROOT
from quartet.hooks.storage import StorageHook
from quartet.workflows.articles import CONNECTION as ARTICLES_CONNECTION

HELM = ROOT / "deploy/helm"
CHART = "1.22.0"
TOP_LEVEL = {
    *("airflowVersion", "allowPodLaunching", "apiSecretKeySecretName", "apiServer", "config", "createUserJob"),
    *("dagProcessor", "dags", "data", "defaultAirflowRepository", "defaultAirflowTag", "enableServiceLinks", "env"),
    *("executor", "extraEnv", "extraEnvFrom", "fernetKeySecretName", "images", "ingress", "jwtSecretName", "logs"),
    *("migrateDatabaseJob", "networkPolicies", "postgresql", "redis", "scheduler", "securityContexts", "statsd"),
    *("triggerer", "workers"),
}
"""Top-level values that the chart has, compared with its values.yaml by hand."""

NAMESPACE = "quartet"
SETTINGS = platform_settings.variables()
SECRET = re.compile(r"password|secret|token", re.IGNORECASE)


class StrictLoader(yaml.SafeLoader):
    """Reject duplicate keys, of which YAML silently takes the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice: {[key for key in keys if keys.count(key) > 1]} {node.start_mark}"
        return super().construct_mapping(node, deep)


def documents(name: str) -> list[dict]:
    return list(yaml.load_all((HELM / name).read_text(), StrictLoader))


def find(name: str, kind: str, called: str) -> dict:
    return next(each for each in documents(name) if (each["kind"], each["metadata"]["name"]) == (kind, called))


@pytest.fixture(scope="module")
def values() -> dict:
    (found,) = documents("values.yaml")
    return found


@pytest.fixture(scope="module")
def spark() -> dict[str, str]:
    """Return Spark's configuration."""
    text = find("spark.yaml", "ConfigMap", "quartet-spark")["data"]["spark-defaults.conf"]
    return dict(line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def pod_template() -> dict:
    return yaml.load(find("spark.yaml", "ConfigMap", "quartet-spark")["data"]["executor.yaml"], StrictLoader)


def templated(text: str, values: dict) -> list[dict]:
    """Render the template expressions that may occur here."""
    text = text.replace("{{ .Release.Namespace }}", NAMESPACE)
    text = re.sub(r"\{\{ \.Values\.(\w+) \}\}", lambda match: str(values[match[1]]), text)
    assert "{{" not in text
    return yaml.load(text, StrictLoader)


def variables(values: dict) -> list[dict]:
    """Return the variables of every component, in the chart's order."""
    return [*values["env"], *templated(values["extraEnv"], values)]


def literals(values: dict) -> dict[str, str]:
    return {each["name"]: each["value"] for each in variables(values) if "value" in each}


def secret_variables() -> dict[str, str]:
    lines = (HELM / "env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def manifest_variables() -> list[str]:
    (mlflow,) = find("mlflow.yaml", "Deployment", "quartet-models")["spec"]["template"]["spec"]["containers"]
    return [each["name"] for each in mlflow["env"]]


def connections(values: dict) -> dict[str, str]:
    found = {**literals(values), **secret_variables()}
    return {name: text for name, text in found.items() if name.startswith("AIRFLOW_CONN_")}


def origin(module: str) -> Path:
    """Return the file of a module, without importing it."""
    spec = find_spec(module)
    assert spec is not None
    return Path(str(spec.origin))


def every_key(node: object):
    if isinstance(node, dict):
        yield from node.items()
        for value in node.values():
            yield from every_key(value)
    if isinstance(node, list):
        for value in node:
            yield from every_key(value)


def test_values_are_those_of_the_chart(values):
    assert not set(values) - TOP_LEVEL


def test_the_chart_gets_the_version_of_airflow_that_is_locked(values):
    assert f"apache-airflow=={values['airflowVersion']}" in (ROOT / "pyproject.toml").read_text()


def test_the_readme_installs_the_chart_that_the_values_are_for():
    readme, head = (HELM / "README.md").read_text(), (HELM / "values.yaml").read_text().splitlines()[0]
    assert f"apache-airflow/airflow --version {CHART} " in readme
    assert head.endswith(f"apache-airflow/airflow {CHART}, with the")


def test_the_image_is_the_same_everywhere(values):
    image = f"{values['defaultAirflowRepository']}:{values['defaultAirflowTag']}"
    (mlflow,) = find("mlflow.yaml", "Deployment", "quartet-models")["spec"]["template"]["spec"]["containers"]
    assert mlflow["image"] == image
    assert literals(values)["SPARK_EXECUTOR_IMAGE"] == image
    assert f"docker push {image}\n" in (HELM / "README.md").read_text()


def test_what_has_to_be_changed_is_marked():
    for name in ("values.yaml", "mlflow.yaml"):
        for line in (HELM / name).read_text().splitlines():
            if re.search(r"example\.com|-example", line) and not line.lstrip().startswith("#"):
                assert "# yours" in line


def test_folders_are_those_of_the_image(values):
    dockerfile = (ROOT / "Dockerfile").read_text()
    for option in ("dags_folder", "plugins_folder"):
        assert f"AIRFLOW__CORE__{option.upper()}={values['config']['core'][option]} " in dockerfile
    assert "\nWORKDIR /opt/quartet\n" in dockerfile
    config_file = Path(values["config"]["fab"]["config_file"]).relative_to("/opt/quartet")
    assert (ROOT / config_file).is_file()


def test_settings_in_config_are_airflows(values):
    described = conf.configuration_description
    for section, options in values["config"].items():
        assert not options.keys() - described[section]["options"].keys()


@pytest.mark.parametrize(("option", "kind"), [("auth_manager", "class"), ("hostname_callable", "def")])
def test_what_config_names_is_there(values, option, kind):
    module, _, name = values["config"]["core"][option].rpartition(".")
    assert re.search(rf"^{kind} {name}\b", origin(module).read_text(), re.MULTILINE)


def is_known(name: str) -> bool:
    """Check that something reads the variable."""
    if name.startswith("AIRFLOW_CONN_"):
        return True
    if name.startswith("MLFLOW_") and name not in SETTINGS:
        folder = origin("mlflow").parent
        sources = (folder / "environment_variables.py", folder / "cli/__init__.py", folder / "utils/cli_args.py")
        return any(f'"{name}"' in source.read_text() for source in sources)
    return name in SETTINGS or name in {
        *("POD_IP", "POD_NAME", "PUBLIC_HOST", "SPARK_EXECUTOR_IMAGE"),  # of the configuration itself
        *("CONNECTION_CHECK_MAX_COUNT", "FORWARDED_ALLOW_IPS", "PGSSLMODE", "SPARK_CONF_DIR"),  # of others
    }


def test_variables_are_ours_or_somebodys(values):
    components = (values["apiServer"], values["migrateDatabaseJob"], values["workers"]["celery"])
    names = [each["name"] for listed in [variables(values), *(one["env"] for one in components)] for each in listed]
    names += [*secret_variables(), *manifest_variables()]
    assert [name for name in names if not is_known(name)] == []


def test_an_unknown_variable_is_found():
    assert not is_known("QUARTET_STORAGES")
    assert not is_known("MLFLOW_BACKEND_STORE_URL")


def test_settings_are_allowed(values, monkeypatch):
    for name, value in {**literals(values), **secret_variables()}.items():
        monkeypatch.setenv(name, value)
    for section in platform_settings.SECTIONS.values():
        for settings in section:
            settings.load()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (StorageHook.default_conn_name, "aws"),
        (ARTICLES_CONNECTION, "postgres"),
        (SERVICE_CONNECTION, "http"),
        ("spark_default", "spark"),
    ],
)
def test_connections_are_those_of_the_hooks(values, name, kind):
    text = connections(values)[f"AIRFLOW_CONN_{name.upper()}"]
    assert Connection.from_json(text, conn_id=name).conn_type == kind


def test_tasks_and_their_connection_reach_the_service_of_the_api_server(values):
    url = values["config"]["core"]["execution_api_server_url"]
    service = Connection.from_json(connections(values)["AIRFLOW_CONN_QUARTET_API"])
    assert url == f"http://{service.host}:{service.port}/execution/"


def test_logs_go_to_s3_by_the_connection_of_the_storage(values):
    logging = values["config"]["logging"]
    assert logging["remote_log_conn_id"] == StorageHook.default_conn_name
    assert logging["remote_base_log_folder"].startswith("s3://")


def test_nothing_secret_is_written_down(values):
    for name in ("values.yaml", "mlflow.yaml", "spark.yaml"):
        for document in documents(name):
            for key, value in every_key(document):
                assert not (SECRET.search(str(key)) and isinstance(value, str) and not str(key).endswith("Name")), key
    for name, text in {**literals(values), **secret_variables()}.items():
        if name.startswith("AIRFLOW_CONN_"):
            assert not json.loads(text).get("password")
        elif SECRET.search(name):
            assert not text


def test_secrets_that_are_asked_for_are_made():
    readme = (HELM / "README.md").read_text()
    loop = re.search(r"for name in ([\w ]+); do", readme)
    assert loop
    made = {f"quartet-{name}" for name in loop[1].split()} | set(re.findall(r"secret generic (quartet-\w+)", readme))
    asked = set()
    for name in ("values.yaml", "mlflow.yaml"):
        text = (HELM / name).read_text()
        asked |= set(re.findall(r"secretKeyRef: \{name: ([\w-]+)", text))
        asked |= set(re.findall(r"SecretName: (quartet-\w+)", text)) | set(
            re.findall(r"secretRef:\n\s+name: (\S+)", text)
        )
    assert asked == made


def test_every_key_of_a_secret_is_in_the_readme():
    readme = (HELM / "README.md").read_text()
    for name in ("values.yaml", "mlflow.yaml"):
        for secret, key in re.findall(r"secretKeyRef: \{name: ([\w-]+), key: (\w+)\}", (HELM / name).read_text()):
            assert f"{key}=" in (readme if secret != "quartet-env" else (HELM / "env.example").read_text())


@pytest.fixture
def allowed_hosts(values, monkeypatch):
    """Guard an app as the plugin guards the API server, in a pod with that address."""
    from quartet_plugin import QuartetPlugin

    def guarded(address: str) -> TestClient:
        known = {"POD_IP": address}
        for each in variables(values):
            if "value" in each:  # Kubernetes fills in from what stands before
                filled = re.sub(r"\$\((\w+)\)", lambda match: known[match[1]], each["value"])
                known[each["name"]] = filled
        monkeypatch.setenv("QUARTET_ALLOWED_HOSTS", known["QUARTET_ALLOWED_HOSTS"])
        guards = QuartetPlugin().fastapi_root_middlewares
        layers = [Middleware(each["middleware"], *each["args"], **each["kwargs"]) for each in guards]
        return TestClient(Starlette(routes=[Route("/health", lambda _: PlainTextResponse("ok"))], middleware=layers))

    return guarded


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("10.1.2.3:8080", 200),  # a probe
        ("10.1.2.4:8080", 400),  # another pod
        ("quartet-api-server:8080", 200),  # a task
        ("quartet-api-server.quartet.svc:8080", 200),
        ("quartet.example.com", 200),  # the ingress
        ("127.0.0.1:8080", 200),  # port-forward
        ("evil.example.org", 400),
    ],
)
def test_the_api_server_answers_to_its_own_names(allowed_hosts, host, status):
    assert allowed_hosts("10.1.2.3").get("/health", headers={"Host": host}).status_code == status


def test_the_probe_of_an_ipv6_pod_is_answered(allowed_hosts):
    assert allowed_hosts("fd00::7").get("/health", headers={"Host": "[fd00::7]:8080"}).status_code == 200


def test_only_airflow_and_the_ingress_reach_the_api_server(values):
    assert values["networkPolicies"]["enabled"] is True
    peers = values["apiServer"]["networkPolicy"]["ingress"]["from"]
    assert {"podSelector": {"matchLabels": {"tier": "airflow", "release": "quartet"}}} in peers
    assert all(peer.keys() <= {"podSelector", "namespaceSelector"} and all(peer.values()) for peer in peers)


def test_variables_of_services_are_not_taken_for_settings(values, pod_template):
    (mlflow,) = [each["spec"]["template"]["spec"] for each in documents("mlflow.yaml") if each["kind"] == "Deployment"]
    assert (
        values["enableServiceLinks"]
        is mlflow["enableServiceLinks"]
        is pod_template["spec"]["enableServiceLinks"]
        is False
    )


def test_no_pod_of_ours_runs_as_root(values, pod_template):
    mlflow = find("mlflow.yaml", "Deployment", "quartet-models")["spec"]["template"]["spec"]
    pods = [pod["securityContext"] for pod in (mlflow, pod_template["spec"])] + [values["securityContexts"]["pod"]]
    assert all(pod["runAsNonRoot"] and pod["runAsUser"] == 50000 and pod["runAsGroup"] == 0 for pod in pods)
    containers = [pod["containers"][0]["securityContext"] for pod in (mlflow, pod_template["spec"])]
    for container in [*containers, values["securityContexts"]["containers"]]:
        assert container == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_mlflow_is_where_tasks_look_for_it(values):
    service = find("mlflow.yaml", "Service", "quartet-models")
    address = f"{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert literals(values)["MLFLOW_TRACKING_URI"] == f"http://{address}"
    (mlflow,) = find("mlflow.yaml", "Deployment", "quartet-models")["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each.get("value") for each in mlflow["env"]}
    assert address in environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert environment["QUARTET_STORAGE"] == literals(values)["QUARTET_STORAGE"]
    assert find_spec(mlflow["args"][2])


def test_the_first_job_is_ours_and_makes_the_administrator(values):
    module = values["migrateDatabaseJob"]["args"][-1].removeprefix("exec python -m ")
    assert find_spec(module)
    assert values["createUserJob"]["enabled"] is False


def test_a_worker_has_time_to_end_its_tasks(values):
    celery = values["workers"]["celery"]
    assert celery["keda"]["enabled"] is True
    assert celery["keda"]["cooldownPeriod"] > celery["terminationGracePeriodSeconds"]


def test_workers_have_the_rights_and_the_configuration_of_spark(values):
    celery = values["workers"]["celery"]
    (subject,) = find("spark.yaml", "RoleBinding", "quartet-spark-driver")["subjects"]
    assert subject["name"] == celery["serviceAccount"]["name"]
    (volume,), (mount,) = celery["extraVolumes"], celery["extraVolumeMounts"]
    assert volume["configMap"]["name"] == "quartet-spark"
    assert (volume["name"], mount["mountPath"]) == (mount["name"], celery["env"][0]["value"])


def test_the_driver_is_found_in_its_pod(values, spark):
    given = {each["name"] for each in variables(values)}
    assert set(re.findall(r"\$\{env:(\w+)\}", " ".join(spark.values()))) <= given
    connection = Connection.from_json(connections(values)["AIRFLOW_CONN_SPARK_DEFAULT"])
    assert connection.host == "k8s://https://kubernetes.default.svc"
    assert connection.extra_dejson == {"deploy-mode": "client", "namespace": NAMESPACE}


def test_the_network_lets_executors_reach_the_drivers_ports(spark):
    (rule,) = find("spark.yaml", "NetworkPolicy", "quartet-spark-driver")["spec"]["ingress"]
    (ports,) = rule["ports"]
    first = [int(spark[name]) for name in ("spark.driver.port", "spark.driver.blockManager.port")]
    assert (ports["port"], ports["endPort"]) == (min(first), max(first) + int(spark["spark.port.maxRetries"]))


def test_executors_are_started_by_our_module(values, spark, pod_template):
    (container,) = pod_template["spec"]["containers"]
    assert "!deploy/helm/*.py" in (ROOT / ".dockerignore").read_text().splitlines()
    assert container["name"] == spark["spark.kubernetes.executor.podTemplateContainerName"]
    assert container["command"][-1] == executor.__name__
    assert "Airflow" not in (HELM / "executor.py").read_text()  # an executor does not wait for its imports
    mount = values["workers"]["celery"]["extraVolumeMounts"][0]["mountPath"]
    assert spark["spark.kubernetes.executor.podTemplateFile"] == f"{mount}/executor.yaml"

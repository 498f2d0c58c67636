"""The containers: a service per component, and the init task that runs before them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_servicediscovery as servicediscovery
from constructs import Construct

from deploy.aws.environment import ZONE
from deploy.aws.network import API_PORT, MLFLOW_PORT, TRIGGERER_LOG_PORT, WORKER_LOG_PORT, Network
from deploy.aws.settings import StackSettings

# The load balancer's health checks use the task's IP address as host name, which is only known inside the task. Nobody
# can register it as a name, so the guard against DNS rebinding stays as strict as it was. Browsers send the load
# balancer's own name in lower case.
API_SERVER = (
    'export QUARTET_ALLOWED_HOSTS="$QUARTET_ALLOWED_HOSTS,${QUARTET_ALLOWED_HOSTS,,},$(hostname -i | tr " " ,)"'
    " && exec airflow api-server --proxy-headers"
)
AnySecret = secretsmanager.Secret | secretsmanager.ISecret
STOP_SECONDS = 120
"""Time that a container has to stop: Fargate's maximum."""


@dataclass(frozen=True)
class Component:
    """Command, health check and port of a component's container."""

    command: tuple[str, ...]
    health: str
    port: int | None = None
    check_seconds: int = 30
    environment: Mapping[str, str] = field(default_factory=dict)


COMPONENTS = {
    "api-server": Component(
        ("bash", "-c", API_SERVER), f"curl --fail --silent http://localhost:{API_PORT}/api/v2/monitor/health", API_PORT
    ),
    "scheduler": Component(
        ("airflow", "scheduler", "--skip-serve-logs"), "curl --fail --silent http://localhost:8974/health"
    ),
    # the health checks of these two load Airflow, which takes seconds of CPU time
    "dag-processor": Component(
        ("airflow", "dag-processor"), "airflow jobs check --job-type DagProcessorJob --local", check_seconds=120
    ),
    "triggerer": Component(
        ("airflow", "triggerer"),
        "airflow jobs check --job-type TriggererJob --local",
        TRIGGERER_LOG_PORT,
        check_seconds=120,
    ),
    "worker": Component(
        ("airflow", "celery", "worker"),
        'celery --app airflow.providers.celery.executors.celery_executor.app inspect ping -d "celery@$(hostname)"',
        WORKER_LOG_PORT,
        check_seconds=120,
        environment={"DUMB_INIT_SETSID": "0"},  # only the worker gets the stop signal, so that it waits for its tasks
    ),
    # not deploy.production.mlflow_server, which passes on the role's current keys, and these expire after some hours
    "mlflow": Component(
        (
            *("python", "-m", "mlflow", "server", "--workers", "1", "--no-serve-artifacts"),
            *("--host", "0.0.0.0", "--port", str(MLFLOW_PORT)),  # noqa: S104 - inside its security group
        ),
        f"curl --fail --silent http://localhost:{MLFLOW_PORT}/health",
        MLFLOW_PORT,
    ),
}
NAMED = ("api-server", "mlflow")
"""Components that others find by name."""


class Platform:
    """The cluster, and the image and logs that all its containers share."""

    def __init__(self, scope: Construct, settings: StackSettings, network: Network, log_group: logs.LogGroup) -> None:
        self.scope, self.settings, self.network, self.log_group = scope, settings, network, log_group
        self.cluster = ecs.Cluster(
            scope,
            "Cluster",
            vpc=network.vpc,
            # commands typed in a shell are not logged; CloudTrail records that one was opened
            execute_command_configuration=ecs.ExecuteCommandConfiguration(logging=ecs.ExecuteCommandLogging.NONE),
        )
        self.zone = servicediscovery.PrivateDnsNamespace(scope, "Names", name=ZONE, vpc=network.vpc)
        self.image = _image(scope, settings)

    def task(self, name: str) -> ecs.FargateTaskDefinition:
        """Create the task definition of a component, without containers."""
        cpu, memory = self.settings.size(name)
        disk = self.settings.worker_disk_gib if name == "worker" else None
        return ecs.FargateTaskDefinition(
            self.scope,
            f"Task-{name}",
            cpu=cpu,
            memory_limit_mib=memory,
            ephemeral_storage_gib=disk,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.X86_64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )

    def container(
        self,
        task: ecs.FargateTaskDefinition,
        name: str,
        component: Component,
        environment: Mapping[str, str],
        secrets: Mapping[str, ecs.Secret],
        *,
        essential: bool = True,
    ) -> ecs.ContainerDefinition:
        """Add a container of the platform's image to a task definition."""
        return task.add_container(
            name,
            image=self.image,
            command=list(component.command),
            environment=dict(environment),
            secrets=dict(secrets),
            essential=essential,
            logging=ecs.LogDrivers.aws_logs(stream_prefix="container", log_group=self.log_group),
            port_mappings=[ecs.PortMapping(container_port=component.port)] if component.port else None,
            health_check=ecs.HealthCheck(
                command=["CMD-SHELL", component.health],
                interval=cdk.Duration.seconds(component.check_seconds),
                timeout=cdk.Duration.seconds(min(60, component.check_seconds - 5)),
                retries=3,
                start_period=cdk.Duration.minutes(5),
            )
            if component.health
            else None,
            stop_timeout=cdk.Duration.seconds(STOP_SECONDS),
        )

    def service(self, name: str, task: ecs.FargateTaskDefinition) -> ecs.FargateService:
        """Create the service of a component; it has no tasks until the init task has run."""
        min_count = self.settings.min_workers if name == "worker" else 1
        service = ecs.FargateService(
            self.scope,
            f"Service-{name}",
            cluster=self.cluster,
            task_definition=task,
            desired_count=min_count if self.settings.started else 0,
            security_groups=[self.network.groups[name]],
            vpc_subnets=self.network.applications,
            assign_public_ip=False,
            min_healthy_percent=100,
            max_healthy_percent=200,
            health_check_grace_period=cdk.Duration.minutes(5) if name == "api-server" else None,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            enable_execute_command=self.settings.shell,
            cloud_map_options=ecs.CloudMapOptions(
                name=name, cloud_map_namespace=self.zone, dns_ttl=cdk.Duration.seconds(10)
            )
            if name in NAMED
            else None,
        )
        if name == "worker" and self.settings.started:
            scaling = service.auto_scale_task_count(
                min_capacity=self.settings.min_workers, max_capacity=self.settings.max_workers
            )
            scaling.scale_on_cpu_utilization(
                "Load",
                target_utilization_percent=60,
                scale_out_cooldown=cdk.Duration.minutes(1),
                scale_in_cooldown=cdk.Duration.minutes(15),
            )
        return service


def whole_secrets(secrets: Mapping[str, AnySecret]) -> dict[str, ecs.Secret]:
    """Build variables whose value is a whole secret."""
    return {name: _injected(secret, None) for name, secret in secrets.items()}


def secret_keys(secrets: Mapping[str, tuple[AnySecret, str]]) -> dict[str, ecs.Secret]:
    """Build variables whose value is a key in a secret's JSON object: variable → (secret, key)."""
    return {name: _injected(secret, key) for name, (secret, key) in secrets.items()}


def _injected(secret: AnySecret, key: str | None) -> ecs.Secret:
    # the class names a parameter differently from its interface
    return ecs.Secret.from_secrets_manager(secret, key)  # pyright: ignore[reportArgumentType]


def _image(scope: Construct, settings: StackSettings) -> ecs.EcrImage:
    parts = settings.registry
    arn = cdk.Stack.of(scope).format_arn(
        service="ecr",
        account=parts["account"],
        region=parts["region"],
        resource="repository",
        resource_name=parts["name"],
    )
    repository = ecr.Repository.from_repository_attributes(
        scope, "Images", repository_arn=arn, repository_name=parts["name"]
    )
    return ecs.ContainerImage.from_ecr_repository(repository, parts["tag"])

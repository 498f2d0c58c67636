"""The whole platform as one stack."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from deploy.aws import credentials, data, environment, network, permissions
from deploy.aws.services import COMPONENTS, AnySecret, Component, Platform, secret_keys, whole_secrets
from deploy.aws.settings import StackSettings
from deploy.production.databases import POSTGRES_USERS

MARIADB_USERS = [source for source, target in network.RULES if target == "mariadb"]
"""Components that connect to MariaDB."""
DATABASES = Component(("python", "-m", "deploy.production.databases"), health="")
INIT = Component(("python", "-m", "deploy.production.init"), health="")


class QuartetStack(cdk.Stack):
    """Quartet on ECS Fargate, with managed databases and S3."""

    def __init__(self, scope: Construct, construct_id: str, settings: StackSettings) -> None:
        super().__init__(scope, construct_id, description="Quartet: four data workflows on one Airflow platform")
        cdk.Tags.of(self).add("project", "quartet")
        self.settings = settings
        self.net = network.create(self, settings)
        self.credentials = credentials.generate(self)
        self.credentials.given = {
            variable: secretsmanager.Secret.from_secret_complete_arn(self, f"Given-{variable}", arn)
            for variable, arn in settings.secrets.items()
        }
        self.data = data.create(self, settings, self.net, self.credentials.generated["redis"])
        credentials.compose(
            self,
            self.credentials,
            postgres=self.data.postgres.db_instance_endpoint_address,
            redis=self.data.redis.attr_primary_end_point_address,
            api=environment.API_HOST,
            region=self.region,
        )
        self.log_group = logs.LogGroup(
            self, "Logs", retention=logs.RetentionDays.ONE_MONTH, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        self.log_group_arn = self.format_arn(
            service="logs",
            resource="log-group",
            resource_name=self.log_group.log_group_name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self.balancer = elb.ApplicationLoadBalancer(
            self,
            "LoadBalancer",
            vpc=self.net.vpc,
            internet_facing=bool(settings.certificate_arn),
            security_group=self.net.groups["load-balancer"],
            drop_invalid_header_fields=True,
        )
        self.platform = Platform(self, settings, self.net, self.log_group)
        self._create_services()

    def _create_services(self) -> None:
        """Create the task definitions, the services, the listener and the outputs."""
        host = self.settings.domain or self.balancer.load_balancer_dns_name
        common = environment.airflow(
            self.settings,
            region=self.region,
            address=f"{'https' if self.settings.domain else 'http'}://{host}",
            cidr=self.net.cidr,
            storage=self.data.storage_url,
            log_group=self.log_group_arn,
            mariadb=self.data.mariadb.db_instance_endpoint_address,
        )
        audience = {variable: self.credentials.generated[name] for variable, name in credentials.AUDIENCE.items()}
        mlflow = {"MLFLOW_BACKEND_STORE_URI": _present(self.credentials.mlflow)}
        shared = {**secret_keys(self.credentials.airflow), **whole_secrets(self.credentials.given)}
        for name, component in COMPONENTS.items():
            task = self._task(name)
            if name == "mlflow":
                own = environment.mlflow(region=self.region, storage=self.data.storage_url)
                self.platform.container(task, name, component, own, whole_secrets(mlflow))
            else:
                own = {**shared, **(whole_secrets(audience) if name in MARIADB_USERS else {})}
                self.platform.container(task, name, component, {**common, **component.environment}, own)
            service = self.platform.service(name, task)
            if name == "api-server":
                self._add_listener(service, host)
        self._create_init_task(common, audience, mlflow)

    def _task(self, name: str) -> ecs.FargateTaskDefinition:
        task = self.platform.task(name)
        permissions.grant(name, task, self.settings, self.data, self.credentials, self.log_group_arn)
        return task

    def _add_listener(self, service: ecs.FargateService, host: str) -> None:
        """Forward the load balancer's requests to the API server; plain HTTP only if the balancer is not public."""
        port = network.HTTPS if self.settings.certificate_arn else network.HTTP
        listener = self.balancer.add_listener(
            "Users",
            port=port,
            open=False,
            certificates=[acm.Certificate.from_certificate_arn(self, "Certificate", self.settings.certificate_arn)]
            if self.settings.certificate_arn
            else None,
            ssl_policy=elb.SslPolicy.RECOMMENDED_TLS if self.settings.certificate_arn else None,
        )
        listener.add_targets(
            "ApiServer",
            port=network.API_PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            targets=[service],
            deregistration_delay=cdk.Duration.seconds(30),
            health_check=elb.HealthCheck(path="/api/v2/monitor/health", healthy_http_codes="200"),
        )
        if self.settings.certificate_arn:
            self.balancer.add_redirect(open=False)
        if self.settings.hosted_zone_id:
            zone = route53.HostedZone.from_hosted_zone_attributes(
                self, "Zone", hosted_zone_id=self.settings.hosted_zone_id, zone_name=self.settings.hosted_zone_name
            )
            # the class names a parameter differently from its interface
            alias = targets.LoadBalancerTarget(self.balancer)
            target = route53.RecordTarget.from_alias(alias)  # pyright: ignore[reportArgumentType]
            route53.ARecord(self, "Domain", zone=zone, record_name=f"{host}.", target=target)

    def _create_init_task(
        self, common: dict[str, str], audience: Mapping[str, AnySecret], mlflow: Mapping[str, AnySecret]
    ) -> None:
        """Create the task that runs once before the services: it creates the databases, then their contents."""
        task = self._task("init")
        generated = self.credentials.generated
        masters = {
            "POSTGRES_MASTER": _present(self.data.postgres.secret),
            "MARIADB_MASTER": _present(self.data.mariadb.secret),
        }
        owners = {f"{name.upper()}_PASSWORD": generated[name] for name in POSTGRES_USERS}
        before = self.platform.container(
            task,
            "databases",
            DATABASES,
            {
                "CONNECTION_CHECK_MAX_COUNT": "0",  # the image would wait for the database that is created here
                **{name: common[name] for name in ("INPUT_USER", "OUTPUT_USER")},
                "INPUT_SCHEMAS": ",".join(self.settings.input_schemas),
                "OUTPUT_SCHEMAS": ",".join(self.settings.output_schemas),
            },
            whole_secrets({**masters, **owners, **audience}),
            essential=False,
        )
        admin = {"QUARTET_ADMIN_PASSWORD": generated["admin"]}
        init = self.platform.container(
            task,
            "init",
            INIT,
            {**common, "QUARTET_ADMIN_USER": self.settings.admin},
            {
                **secret_keys(self.credentials.airflow),
                **whole_secrets({**self.credentials.given, **audience, **mlflow, **admin}),
            },
        )
        init.add_container_dependencies(
            ecs.ContainerDependency(container=before, condition=ecs.ContainerDependencyCondition.SUCCESS)
        )
        self._add_outputs(task)

    def _add_outputs(self, init: ecs.FargateTaskDefinition) -> None:
        """Add the stack's outputs, which the next steps of a deployment need."""
        chosen = self.net.vpc.select_subnets(subnet_type=self.net.applications.subnet_type)
        subnets = cdk.Fn.join(",", chosen.subnet_ids)
        group = self.net.groups["init"].security_group_id
        placement = f"awsvpcConfiguration={{subnets=[{subnets}],securityGroups=[{group}],assignPublicIp=DISABLED}}"
        cluster = self.platform.cluster.cluster_name
        outputs = {
            "RunInit": f"aws ecs run-task --cluster {cluster} --task-definition {init.task_definition_arn}"
            f" --launch-type FARGATE --network-configuration '{placement}'",
            "ClusterName": cluster,
            "AdminPasswordSecret": self.credentials.generated["admin"].secret_arn,
            "LoadBalancerName": self.balancer.load_balancer_dns_name,
            "StorageUrl": self.data.storage_url,
            "LogGroupName": self.log_group.log_group_name,
        }
        for name, value in outputs.items():
            cdk.CfnOutput(self, name, value=value)


def _present(secret: AnySecret | None) -> AnySecret:
    if secret is None:
        raise TypeError("the secret has not been created yet")
    return secret

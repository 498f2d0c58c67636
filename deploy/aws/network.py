"""The network, a security group per component, and the only rules between them."""

from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from deploy.aws.settings import COMPONENTS, StackSettings

API_PORT, MLFLOW_PORT, POSTGRES_PORT, MARIADB_PORT, REDIS_PORT = 8080, 5000, 5432, 3306, 6379
WORKER_LOG_PORT, TRIGGERER_LOG_PORT = 8793, 8794
HTTP, HTTPS = 80, 443
MAIL = (465, 587)

RULES = {
    ("load-balancer", "api-server"): API_PORT,
    # Airflow's database; workers only write Celery's results there and reach Airflow through the API server
    ("api-server", "postgres"): POSTGRES_PORT,
    ("scheduler", "postgres"): POSTGRES_PORT,
    ("dag-processor", "postgres"): POSTGRES_PORT,
    ("triggerer", "postgres"): POSTGRES_PORT,
    ("worker", "postgres"): POSTGRES_PORT,
    ("mlflow", "postgres"): POSTGRES_PORT,
    ("init", "postgres"): POSTGRES_PORT,
    ("api-server", "mariadb"): MARIADB_PORT,
    ("worker", "mariadb"): MARIADB_PORT,
    ("dag-processor", "mariadb"): MARIADB_PORT,  # it runs the callbacks of failed runs
    ("init", "mariadb"): MARIADB_PORT,
    ("scheduler", "redis"): REDIS_PORT,
    ("worker", "redis"): REDIS_PORT,
    ("worker", "api-server"): API_PORT,
    ("worker", "mlflow"): MLFLOW_PORT,
    # the web UI shows the logs of running tasks
    ("api-server", "worker"): WORKER_LOG_PORT,
    ("api-server", "triggerer"): TRIGGERER_LOG_PORT,
}
"""(source, target) → port; nothing else is open inside the network."""
EGRESS = {
    **{name: (HTTPS,) for name in (*COMPONENTS, "mlflow", "init")},  # AWS: images, secrets, logs, storage
    "worker": (HTTP, HTTPS, *MAIL),  # sites of articles, files of song plays, notifications
    "triggerer": (HTTP, HTTPS, *MAIL),  # waits for files of song plays, missed deadlines
    "dag-processor": (HTTP, HTTPS, *MAIL),  # notifications of failed runs
}
"""Component → ports on which it may connect to any address."""


@dataclass(frozen=True)
class Network:
    """A network and its security groups."""

    vpc: ec2.IVpc
    cidr: str
    applications: ec2.SubnetSelection
    databases: ec2.SubnetSelection
    groups: dict[str, ec2.SecurityGroup]


def create(scope: Construct, settings: StackSettings) -> Network:
    """Create the network, or use the one in the settings, and add the rules."""
    vpc = _given(scope, settings) or _own(scope, settings)
    private = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
    isolated = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    cidr = settings.vpc.cidr if settings.vpc else vpc.vpc_cidr_block
    return Network(vpc, cidr, private, private if settings.vpc else isolated, _groups(scope, vpc, settings))


def _given(scope: Construct, settings: StackSettings) -> ec2.IVpc | None:
    if not settings.vpc:
        return None
    return ec2.Vpc.from_vpc_attributes(
        scope,
        "Network",
        vpc_id=settings.vpc.vpc_id,
        vpc_cidr_block=settings.vpc.cidr,
        availability_zones=settings.vpc.availability_zones,
        public_subnet_ids=settings.vpc.public_subnet_ids,
        private_subnet_ids=settings.vpc.private_subnet_ids,
    )


def _own(scope: Construct, settings: StackSettings) -> ec2.Vpc:
    vpc = ec2.Vpc(
        scope,
        "Network",
        max_azs=2,
        nat_gateways=settings.nat_gateways,
        subnet_configuration=[
            ec2.SubnetConfiguration(
                name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
            ),
            ec2.SubnetConfiguration(name="Applications", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=20),
            ec2.SubnetConfiguration(name="Databases", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24),
        ],
    )
    # keeps the traffic to S3 off the NAT gateway, which charges by the byte
    vpc.add_gateway_endpoint("Storage", service=ec2.GatewayVpcEndpointAwsService.S3)
    return vpc


def _groups(scope: Construct, vpc: ec2.IVpc, settings: StackSettings) -> dict[str, ec2.SecurityGroup]:
    names = sorted({name for pair in RULES for name in pair})
    groups = {
        name: ec2.SecurityGroup(
            scope, f"Group-{name}", vpc=vpc, allow_all_outbound=False, description=f"Quartet: {name}"
        )
        for name in names
    }
    for (source, target), port in RULES.items():
        groups[source].connections.allow_to(groups[target], ec2.Port.tcp(port), f"{source} to {target}")
    for source, ports in EGRESS.items():
        for port in ports:
            groups[source].add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), f"{source} to AWS and the internet")
    for cidr in settings.allowed_cidrs:
        for port in (HTTP, HTTPS) if settings.certificate_arn else (HTTP,):
            groups["load-balancer"].add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(port), "users")
    return groups

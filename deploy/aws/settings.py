"""Settings of the stack; each is a context value of the CDK (`-c image=…`, or a line in `cdk.json`)."""

import json
import re
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from include.core.errors import SettingsError

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
"""Components of Airflow, each a service; MLflow's server is another one."""
SIZES = {
    "api-server": (1024, 3072),
    "scheduler": (1024, 2048),
    "dag-processor": (512, 2048),
    "triggerer": (512, 2048),
    "worker": (2048, 8192),
    "mlflow": (512, 2048),
    "init": (1024, 3072),
}
"""Component → (CPU units, MB of memory); 1024 units are one core."""
ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[a-z0-9._/-]+):(?P<tag>[\w.-]+)"
)


def _parsed(value: object) -> object:
    """Parse JSON, since every value on the command line of `cdk` is text."""
    return json.loads(value) if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_listed)]


class GivenVpc(BaseModel):
    """An existing network; its private subnets need access to AWS and to the sites that workers request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vpc_id: str
    cidr: str = Field(description="address range of the VPC")
    availability_zones: Names = Field(min_length=2)
    public_subnet_ids: Names = Field(description="a subnet per zone, for the load balancer")
    private_subnet_ids: Names = Field(description="a subnet per zone, for everything else")

    @model_validator(mode="after")
    def _one_per_zone(self) -> Self:
        if {len(self.public_subnet_ids), len(self.private_subnet_ids)} != {len(self.availability_zones)}:
            raise ValueError("one public and one private subnet per zone are expected, in the order of the zones")
        return self


class StackSettings(BaseModel):
    """Settings of the stack; `started` and `image` have no default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = Field(
        pattern=f"^{ECR.pattern}$", description="Quartet's image in a registry of ECR, with a tag other than `latest`"
    )
    started: bool = Field(
        description="whether the services run: `false` until the init task of this image has run, then `true`"
    )

    domain: str = Field(default="", description="public name of the platform; if empty, that of the load balancer")
    certificate_arn: str = Field(
        default="", description="ACM certificate of the domain; if empty, the load balancer is not public"
    )
    hosted_zone_id: str = Field(
        default="", description="Route 53 zone that gets a record for the domain; if empty, none is created"
    )
    hosted_zone_name: str = Field(default="", description="name of that zone")
    allowed_cidrs: Names = Field(
        default=["0.0.0.0/0"],
        min_length=1,
        description="address ranges that may reach the load balancer, separated by commas",
    )

    vpc: Annotated[GivenVpc | None, BeforeValidator(_parsed)] = Field(
        default=None, description="an existing network, as JSON; if empty, one is created"
    )
    nat_gateways: int = Field(
        default=1, ge=1, le=3, description="NAT gateways of a network that is created; each one costs"
    )

    sizes: Annotated[dict[str, tuple[int, int]], BeforeValidator(_parsed)] = Field(
        default={}, description='sizes other than the defaults, as JSON: `{"worker": [4096, 16384]}`'
    )
    min_workers: int = Field(default=1, ge=1, description="minimum number of Celery workers")
    max_workers: int = Field(default=4, ge=1, description="maximum number of Celery workers")
    worker_concurrency: int = Field(default=4, ge=1, description="tasks that a worker runs at a time")
    worker_disk_gib: int = Field(default=50, ge=21, le=200, description="disk of a worker in GiB, for Spark and DuckDB")

    postgres_class: str = Field(default="t4g.medium", description="instance class of PostgreSQL")
    postgres_version: str = Field(default="17.9", pattern=r"^\d+\.\d+$", description="version of PostgreSQL")
    mariadb_class: str = Field(default="t4g.medium", description="instance class of MariaDB")
    mariadb_version: str = Field(default="11.4.10", pattern=r"^\d+\.\d+\.\d+$", description="version of MariaDB")
    redis_class: str = Field(default="cache.t4g.small", description="node type of Redis")
    database_gib: int = Field(default=50, ge=20, description="initial disk of each database in GiB; it grows by itself")
    standby: bool = Field(default=False, description="whether each database and Redis have a standby instance")
    backup_days: int = Field(default=14, ge=1, le=35, description="days to keep the databases' backups")

    input_schemas: Names = Field(
        default=["wh_demo"],
        min_length=1,
        description="MariaDB schemas with source tables of audience labeling; the first is the default",
    )
    output_schemas: Names = Field(
        default=["audience_result"], min_length=1, description="MariaDB schemas for results; the first is the default"
    )
    read_buckets: Names = Field(
        default=[], description="further S3 buckets that tasks may read: events, spins, listeners"
    )
    spark: Annotated[dict[str, Any], BeforeValidator(_parsed)] = Field(
        default={"conn_type": "spark", "host": "local[*]"},
        description="Airflow connection `spark_default`, as JSON; it must not hold a secret",
    )
    environment: Annotated[dict[str, str], BeforeValidator(_parsed)] = Field(
        default={}, description="further settings of Quartet or Airflow (.env.example), as JSON; no secrets"
    )
    secrets: Annotated[dict[str, str], BeforeValidator(_parsed)] = Field(
        default={}, description="further secret settings, as JSON: variable → ARN of an existing secret"
    )
    admin: str = Field(default="admin", min_length=1, description="user name of the administrator")
    shell: bool = Field(default=False, description="whether `aws ecs execute-command` and port forwarding are enabled")

    @classmethod
    def load(cls, **given: object) -> Self:
        """
        Read and check the settings.

        Raises:
            SettingsError: one line for each value that is missing or not allowed.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError("\n".join(_explained(details) for details in error.errors())) from None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.certificate_arn and not self.domain:
            raise ValueError("certificate_arn needs domain: a load balancer's own name has no certificate")
        if bool(self.hosted_zone_id) != bool(self.hosted_zone_name):
            raise ValueError("hosted_zone_id and hosted_zone_name belong together")
        if self.hosted_zone_id and not self.domain:
            raise ValueError("hosted_zone_id needs domain")
        if self.max_workers < self.min_workers:
            raise ValueError("max_workers is below min_workers")
        if unknown := self.sizes.keys() - SIZES.keys():
            raise ValueError(f"sizes: {', '.join(sorted(unknown))} is not one of {', '.join(SIZES)}")
        if self.registry["tag"] == "latest":
            raise ValueError("image: the tag `latest` does not identify a version; name one")
        return self

    @property
    def registry(self) -> dict[str, str]:
        """The parts of the image's name: account, region, name, tag."""
        found = ECR.fullmatch(self.image)
        return found.groupdict() if found else {}

    def size(self, component: str) -> tuple[int, int]:
        """Return the CPU units and the MB of memory of a component."""
        return self.sizes.get(component, SIZES[component])


def _explained(error: Any) -> str:
    name = ".".join(str(each) for each in error["loc"])
    field = StackSettings.model_fields.get(str(error["loc"][0])) if error["loc"] else None
    expected = f". Expected: {field.description}" if field else ""
    return f"{f'{name}: ' if name else ''}{error['msg']}{expected}"

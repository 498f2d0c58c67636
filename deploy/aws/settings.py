"""What may be chosen about the stack; each is a context value of the CDK (`-c image=…`, or a line in `cdk.json`)."""

import json
import re
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from include.core.errors import SettingsError

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
"""The components of Airflow, each a service; MLflow's server is one more."""
SIZES = {
    "api-server": (1024, 3072),
    "scheduler": (1024, 2048),
    "dag-processor": (512, 2048),
    "triggerer": (512, 2048),
    "worker": (2048, 8192),
    "mlflow": (512, 2048),
    "init": (1024, 3072),
}
"""Component → CPU units (1024 are a core) and MB of memory."""
ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[a-z0-9._/-]+):(?P<tag>[\w.-]+)"
)


def _parsed(value: object) -> object:
    """Read JSON: on the command line of `cdk` every value is text."""
    return json.loads(value) if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_listed)]


class GivenVpc(BaseModel):
    """A network that exists; the private subnets need a way out to AWS and to the sites that workers ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vpc_id: str
    cidr: str = Field(description="addresses of the VPC")
    availability_zones: Names = Field(min_length=2)
    public_subnet_ids: Names = Field(description="a subnet a zone, for the load balancer")
    private_subnet_ids: Names = Field(description="a subnet a zone, for all else")

    @model_validator(mode="after")
    def _one_a_zone(self) -> Self:
        if {len(self.public_subnet_ids), len(self.private_subnet_ids)} != {len(self.availability_zones)}:
            raise ValueError("one public and one private subnet a zone are expected, in the order of the zones")
        return self


class StackSettings(BaseModel):
    """The settings of the stack; `started` and `image` have no default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = Field(
        pattern=f"^{ECR.pattern}$", description="Quartet's image in a registry of ECR, with a tag that is not `latest`"
    )
    started: bool = Field(
        description="`false` until the init task of this image has run, then `true`: whether the services run"
    )

    domain: str = Field(default="", description="public name of the platform; empty: that of the load balancer")
    certificate_arn: str = Field(
        default="", description="certificate of ACM for the domain; empty: the load balancer is not public"
    )
    hosted_zone_id: str = Field(default="", description="zone of Route 53 for the domain's record; empty: none is made")
    hosted_zone_name: str = Field(default="", description="name of that zone")
    allowed_cidrs: Names = Field(
        default=["0.0.0.0/0"], min_length=1, description="who may reach the load balancer, separated by commas"
    )

    vpc: Annotated[GivenVpc | None, BeforeValidator(_parsed)] = Field(
        default=None, description="a network that exists, as JSON; empty: one is made"
    )
    nat_gateways: int = Field(default=1, ge=1, le=3, description="ways out of a network that is made; each costs")

    sizes: Annotated[dict[str, tuple[int, int]], BeforeValidator(_parsed)] = Field(
        default={}, description='other sizes than the default, as JSON: `{"worker": [4096, 16384]}`'
    )
    min_workers: int = Field(default=1, ge=1, description="fewest Celery workers")
    max_workers: int = Field(default=4, ge=1, description="most Celery workers")
    worker_concurrency: int = Field(default=4, ge=1, description="tasks of a worker at a time")
    worker_disk_gib: int = Field(default=50, ge=21, le=200, description="disk of a worker, for Spark and DuckDB")

    postgres_class: str = Field(default="t4g.medium", description="instance class of PostgreSQL")
    postgres_version: str = Field(default="17.9", pattern=r"^\d+\.\d+$", description="version of PostgreSQL")
    mariadb_class: str = Field(default="t4g.medium", description="instance class of MariaDB")
    mariadb_version: str = Field(default="11.4.10", pattern=r"^\d+\.\d+\.\d+$", description="version of MariaDB")
    redis_class: str = Field(default="cache.t4g.small", description="node type of Redis")
    database_gib: int = Field(default=50, ge=20, description="first size of each database's disk; it grows by itself")
    standby: bool = Field(default=False, description="a second machine for each database and for Redis")
    backup_days: int = Field(default=14, ge=1, le=35, description="days that the databases' backups are kept")

    input_schemas: Names = Field(
        default=["wh_demo"], min_length=1, description="MariaDB schemas with sources of audiences; the first is used"
    )
    output_schemas: Names = Field(
        default=["audience_result"], min_length=1, description="MariaDB schemas for results; the first is used"
    )
    read_buckets: Names = Field(
        default=[], description="buckets of S3 that tasks may read besides their own: events, spins, listeners"
    )
    spark: Annotated[dict[str, Any], BeforeValidator(_parsed)] = Field(
        default={"conn_type": "spark", "host": "local[*]"},
        description="Airflow connection `spark_default`, as JSON; it must not hold a secret",
    )
    environment: Annotated[dict[str, str], BeforeValidator(_parsed)] = Field(
        default={}, description="further settings of Quartet or Airflow (.env.example), as JSON; no secrets"
    )
    secrets: Annotated[dict[str, str], BeforeValidator(_parsed)] = Field(
        default={}, description="further settings that are secret, as JSON: variable → ARN of a secret that exists"
    )
    admin: str = Field(default="admin", min_length=1, description="user name of the administrator")
    shell: bool = Field(default=False, description="whether `aws ecs execute-command` and port forwarding work")

    @classmethod
    def load(cls, **given: object) -> Self:
        """
        Check the settings.

        Raises:
            SettingsError: one line for each value that is missing or not allowed.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError("\n".join(_explained(problem) for problem in error.errors())) from None

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
            raise ValueError("image: `latest` does not say what runs; name a version")
        return self

    @property
    def registry(self) -> dict[str, str]:
        """The parts of the image's name: account, region, name, tag."""
        found = ECR.fullmatch(self.image)
        return found.groupdict() if found else {}

    def size(self, component: str) -> tuple[int, int]:
        """Give the CPU units and the MB of memory of a component."""
        return self.sizes.get(component, SIZES[component])


def _explained(problem: Any) -> str:
    name = ".".join(str(each) for each in problem["loc"])
    field = StackSettings.model_fields.get(str(problem["loc"][0])) if problem["loc"] else None
    meaning = f". Expected: {field.description}" if field else ""
    return f"{f'{name}: ' if name else ''}{problem['msg']}{meaning}"

"""Data stores: S3, PostgreSQL, MariaDB, Redis; encrypted and private. Deleting the stack keeps all data but Redis."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from deploy.aws.network import REDIS_PORT, Network
from deploy.aws.settings import StackSettings

MASTER = "quartet_master"
PREFIX = "quartet"
"""Prefix of the platform's storage in the bucket."""


@dataclass(frozen=True)
class Data:
    """The data stores of the stack."""

    bucket: s3.Bucket
    postgres: rds.DatabaseInstance
    mariadb: rds.DatabaseInstance
    redis: elasticache.CfnReplicationGroup

    @property
    def storage_url(self) -> str:
        """Value of `QUARTET_STORAGE`."""
        return f"s3://{self.bucket.bucket_name}/{PREFIX}"


def create(scope: Construct, settings: StackSettings, network: Network, redis_token: secretsmanager.Secret) -> Data:
    """Create the data stores; deleting the stack leaves the bucket and a final snapshot of each database."""
    postgres = _database(
        scope,
        "Postgres",
        settings,
        network,
        rds.DatabaseInstanceEngine.postgres(
            version=rds.PostgresEngineVersion.of(settings.postgres_version, settings.postgres_version.partition(".")[0])
        ),
        settings.postgres_class,
        {"rds.force_ssl": "1"},
    )
    mariadb = _database(
        scope,
        "Mariadb",
        settings,
        network,
        rds.DatabaseInstanceEngine.maria_db(
            version=rds.MariaDbEngineVersion.of(settings.mariadb_version, settings.mariadb_version.rpartition(".")[0])
        ),
        settings.mariadb_class,
        {"character_set_server": "utf8mb4"},
    )
    return Data(_bucket(scope), postgres, mariadb, _redis(scope, settings, network, redis_token))


def _bucket(scope: Construct) -> s3.Bucket:
    return s3.Bucket(
        scope,
        "Storage",
        encryption=s3.BucketEncryption.S3_MANAGED,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        lifecycle_rules=[
            s3.LifecycleRule(id="UnfinishedUploads", abort_incomplete_multipart_upload_after=cdk.Duration.days(7))
        ],
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )


def _database(
    scope: Construct,
    name: str,
    settings: StackSettings,
    network: Network,
    engine: rds.IInstanceEngine,
    instance_class: str,
    parameters: dict[str, str],
) -> rds.DatabaseInstance:
    return rds.DatabaseInstance(
        scope,
        name,
        engine=engine,
        parameters=parameters,
        instance_type=ec2.InstanceType(instance_class),
        credentials=rds.Credentials.from_generated_secret(MASTER),
        vpc=network.vpc,
        vpc_subnets=network.databases,
        security_groups=[network.groups[name.lower()]],
        publicly_accessible=False,
        multi_az=settings.standby,
        allocated_storage=settings.database_gib,
        max_allocated_storage=10 * settings.database_gib,
        storage_type=rds.StorageType.GP3,
        storage_encrypted=True,
        backup_retention=cdk.Duration.days(settings.backup_days),
        copy_tags_to_snapshot=True,
        auto_minor_version_upgrade=False,  # else the template's version would be a downgrade
        deletion_protection=True,
        removal_policy=cdk.RemovalPolicy.SNAPSHOT,
    )


def _redis(
    scope: Construct, settings: StackSettings, network: Network, token: secretsmanager.Secret
) -> elasticache.CfnReplicationGroup:
    subnets = elasticache.CfnSubnetGroup(
        scope,
        "RedisSubnets",
        description="Quartet: Redis",
        subnet_ids=network.vpc.select_subnets(subnet_type=network.databases.subnet_type).subnet_ids,
    )
    parameters = elasticache.CfnParameterGroup(
        scope,
        "RedisParameters",
        cache_parameter_group_family="redis7",
        description="Quartet: the queue of tasks",
        properties={"maxmemory-policy": "noeviction"},  # a full queue refuses tasks instead of losing them
    )
    return elasticache.CfnReplicationGroup(
        scope,
        "Redis",
        replication_group_description="Quartet: the queue of tasks",
        engine="redis",
        engine_version="7.1",
        cache_node_type=settings.redis_class,
        num_cache_clusters=2 if settings.standby else 1,
        automatic_failover_enabled=settings.standby,
        multi_az_enabled=settings.standby,
        port=REDIS_PORT,
        transit_encryption_enabled=True,
        at_rest_encryption_enabled=True,
        auth_token=token.secret_value.unsafe_unwrap(),  # a reference that CloudFormation resolves
        cache_subnet_group_name=subnets.ref,
        cache_parameter_group_name=parameters.ref,
        security_group_ids=[network.groups["redis"].security_group_id],
    )

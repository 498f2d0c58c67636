"""Permissions of each component in AWS beyond those needed to start: the least possible, on named resources only."""

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam

from deploy.aws.credentials import Credentials
from deploy.aws.data import PREFIX, Data
from deploy.aws.settings import StackSettings

READ = ["s3:GetObject"]
WRITE = ["s3:PutObject", "s3:AbortMultipartUpload"]
OBJECTS: dict[str, list[tuple[str, list[str]]]] = {
    # the ratings API writes submitted files to the watched folders; it only reads the rest
    "api-server": [("", READ), ("ratings/training/", WRITE), ("ratings/streaming/", WRITE)],
    "triggerer": [("", READ)],  # waits for files
    "dag-processor": [("articles/", READ)],  # what a failed run had planned
    "worker": [("", [*READ, *WRITE, "s3:DeleteObject"])],
    "mlflow": [("mlflow/", READ)],  # the web UI shows files, which tasks write themselves
}
"""Component → [(prefix in the storage, actions)]."""
LISTING = ("api-server", "triggerer", "dag-processor", "worker", "mlflow", "init")
"""Components that may list the bucket; without this permission S3 reports a missing object as forbidden."""
OTHER_BUCKETS = ("triggerer", "worker")
CONNECTIONS = ("api-server", "triggerer", "dag-processor", "worker", "init")
"""Components that read Airflow's secrets backend; the DAG processor runs the callbacks of failed runs."""
LOGGING = ("api-server", "triggerer", "worker", "scheduler", "dag-processor")
"""Components that write or show task logs; scheduler and DAG processor run callbacks."""


def grant(
    name: str, task: ecs.FargateTaskDefinition, settings: StackSettings, data: Data, credentials: Credentials, logs: str
) -> None:
    """Grant the role of a component's containers its permissions; *logs* is the log group's ARN."""
    role = task.task_role
    for part, actions in OBJECTS.get(name, []):
        _allow(role, actions, data.bucket.arn_for_objects(f"{PREFIX}/{part}*"))
    if name in LISTING:
        _allow(role, ["s3:ListBucket"], data.bucket.bucket_arn)
    if name in OTHER_BUCKETS and settings.read_buckets:
        arns = [f"arn:{cdk.Aws.PARTITION}:s3:::{bucket}" for bucket in settings.read_buckets]
        _allow(role, ["s3:ListBucket"], *arns)
        _allow(role, READ, *[f"{arn}/*" for arn in arns])
    if name in CONNECTIONS:
        for secret in [*credentials.connections.values(), *credentials.variables.values()]:
            secret.grant_read(role)
    if name in LOGGING:
        # the library ensures that the group exists by creating it; permission to list all groups would be broader
        actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:GetLogEvents"]
        _allow(role, actions, logs, f"{logs}:*")


def _allow(role: iam.IRole, actions: list[str], *resources: str) -> None:
    role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))

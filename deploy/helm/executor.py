"""
Entry point of a Spark executor in its pod on Kubernetes: `python -m deploy.helm.executor`.

Spark passes the executor's parameters in environment variables and leaves the command line to the entrypoint of its own
images. Our image has a different entrypoint, so the command line is built here.
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

BACKEND = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
JAVA_OPTION = "SPARK_JAVA_OPT_"
ARGUMENTS = {
    "--driver-url": "SPARK_DRIVER_URL",
    "--executor-id": "SPARK_EXECUTOR_ID",
    "--cores": "SPARK_EXECUTOR_CORES",
    "--app-id": "SPARK_APPLICATION_ID",
    "--hostname": "SPARK_EXECUTOR_POD_IP",
    "--resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
    "--podName": "SPARK_EXECUTOR_POD_NAME",
}
"""Argument of the executor → environment variable with its value."""


def command(environment: Mapping[str, str], spark: Path) -> list[str]:
    """
    Build the command line of the executor.

    Args:
        environment: environment that Spark has set up.
        spark: Spark's folder, which contains `jars/`.

    Raises:
        KeyError: a variable is missing, so the pod was not started by Spark.
    """
    options = sorted((name for name in environment if name.startswith(JAVA_OPTION)), key=_number)
    memory = environment["SPARK_EXECUTOR_MEMORY"]
    classpath = [environment.get("SPARK_CONF_DIR"), environment.get("SPARK_CLASSPATH"), f"{spark}/jars/*"]
    line = ["java", *(environment[name] for name in options), f"-Xms{memory}", f"-Xmx{memory}"]
    line += ["-cp", os.pathsep.join(filter(None, classpath)), BACKEND]
    for argument, variable in ARGUMENTS.items():
        line += [argument, environment[variable]]
    return line


def _number(name: str) -> int:
    return int(name.removeprefix(JAVA_OPTION))


def main() -> None:
    """Replace this process with the executor."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise SystemExit("pyspark is not installed")
    spark = Path(spec.origin).parent
    line = command(os.environ, spark)
    os.execvpe(line[0], line, {**os.environ, "SPARK_HOME": str(spark)})  # noqa: S606


if __name__ == "__main__":
    main()

"""
Become an executor of Spark in its pod on Kubernetes: `python -m deploy.helm.executor`.

Spark says in environment variables what an executor is to be, and leaves the rest to the entrypoint of its own images.
Ours has another one, so the command line is made here.
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
"""What the executor is told, by the variable that says it."""


def command(environment: Mapping[str, str], spark: Path) -> list[str]:
    """
    Give the command line of the executor.

    Args:
        environment: as Spark has made it.
        spark: folder of Spark, with `jars/` in it.

    Raises:
        KeyError: a variable is missing, so it is not Spark that started this pod.
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
    """Replace this process by the executor."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise SystemExit("pyspark is not installed")
    spark = Path(spec.origin).parent
    line = command(os.environ, spark)
    os.execvpe(line[0], line, {**os.environ, "SPARK_HOME": str(spark)})  # noqa: S606


if __name__ == "__main__":
    main()

"""A pod becomes the executor that Spark requested."""

from pathlib import Path
from zipfile import ZipFile

import pyspark
import pytest

from deploy.helm import executor

JARS = Path(pyspark.__file__).parent / "jars"

ENVIRONMENT = {
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@10.1.2.3:7078",
    "SPARK_EXECUTOR_ID": "2",
    "SPARK_EXECUTOR_CORES": "1",
    "SPARK_EXECUTOR_MEMORY": "2048m",
    "SPARK_APPLICATION_ID": "spark-7",
    "SPARK_EXECUTOR_POD_IP": "10.1.2.9",
    "SPARK_EXECUTOR_POD_NAME": "song-plays-exec-2",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_CONF_DIR": "/opt/spark/conf",
    "HOME": "/home/airflow",
}


def test_an_executor_is_what_spark_says():
    options = {f"SPARK_JAVA_OPT_{number}": f"-D{number}" for number in range(11)}
    line = executor.command({**ENVIRONMENT, **options}, Path("/spark"))
    assert line[:12] == ["java", *(f"-D{number}" for number in range(11))]
    assert line[12:17] == ["-Xms2048m", "-Xmx2048m", "-cp", "/opt/spark/conf:/spark/jars/*", executor.BACKEND]
    told = dict(zip(line[17::2], line[18::2], strict=True))
    assert told == {
        "--driver-url": "spark://CoarseGrainedScheduler@10.1.2.3:7078",
        "--executor-id": "2",
        "--cores": "1",
        "--app-id": "spark-7",
        "--hostname": "10.1.2.9",
        "--resourceProfileId": "0",
        "--podName": "song-plays-exec-2",
    }


def test_a_class_path_of_spark_is_taken():
    line = executor.command({**ENVIRONMENT, "SPARK_CLASSPATH": "/more.jar"}, Path("/spark"))
    assert line[line.index("-cp") + 1] == "/opt/spark/conf:/more.jar:/spark/jars/*"


def test_a_pod_that_spark_did_not_start_has_no_executor():
    with pytest.raises(KeyError, match="SPARK_EXECUTOR_MEMORY"):
        executor.command({}, Path("/spark"))


def test_the_process_becomes_the_executor(monkeypatch):
    became = []
    monkeypatch.setattr(executor.os, "environ", ENVIRONMENT)
    monkeypatch.setattr(executor.os, "execvpe", lambda *given: became.append(given))
    executor.main()
    ((program, line, environment),) = became
    assert program == line[0] == "java"
    assert Path(environment["SPARK_HOME"]) == JARS.parent


def test_the_executors_class_is_in_the_jar_of_our_spark():
    (jar,) = JARS.glob("spark-kubernetes_*.jar")
    constants = ZipFile(jar).read("org/apache/spark/deploy/k8s/Constants$.class")
    assert f"{executor.BACKEND.replace('.', '/')}.class" in ZipFile(jar).namelist()
    for variable in [*executor.ARGUMENTS.values(), executor.JAVA_OPTION, "SPARK_EXECUTOR_MEMORY", "SPARK_CLASSPATH"]:
        assert variable.encode() in constants

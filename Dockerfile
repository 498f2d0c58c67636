# Quartet's only image: every Airflow component, Celery worker, Spark master and worker, MLflow server, demo.
#   docker build -t quartet:0.1.0 --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) .
ARG BASE_IMAGE=apache/airflow:3.3.2-python3.11
FROM ${BASE_IMAGE}

# Spark needs Java 17 or 21; a slim base image lacks the folder that Java's package writes to
ARG JAVA_PACKAGE=openjdk-17-jre-headless
USER root
RUN mkdir -p /usr/share/man/man1 \
 && apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 "${JAVA_PACKAGE}" procps \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && install -d -o airflow -g 0 -m 775 /opt/quartet /var/lib/quartet /opt/airflow/logs

# The platform's dependencies in the versions of the lock, and nothing else: no development tools, and none of the base
# image's providers that we do not use. uv itself is checked against the lock's hash first.
USER airflow
WORKDIR /opt/quartet
COPY --chown=airflow:0 requirements.txt pyproject.toml ./
ARG UV_HTTP_TIMEOUT=180
RUN --mount=type=cache,target=/tmp/uv-cache,uid=50000 \
    awk '/^[a-z0-9]/ {mine = /^uv==/} mine' requirements.txt > /tmp/uv.txt \
 && python -m venv /tmp/uv \
 && /tmp/uv/bin/pip install --quiet --no-cache-dir --require-hashes -r /tmp/uv.txt \
 && /tmp/uv/bin/uv pip install --python "$(command -v python)" --exact --no-progress --compile-bytecode \
        --cache-dir /tmp/uv-cache --link-mode copy --constraints requirements.txt -r pyproject.toml pip \
 && python -m pip check \
 && rm -rf /tmp/uv /tmp/uv.txt

# Spark's access to S3: the jars are not on the package index, so they are added only on request, as by
# SPARK_PACKAGES=org.apache.hadoop:hadoop-aws:3.5.0 (the version of Spark's own Hadoop); SPARK_REPOSITORIES is a mirror
ARG SPARK_PACKAGES=
ARG SPARK_REPOSITORIES=
RUN if [ -n "${SPARK_PACKAGES}" ]; then \
        echo 'print("resolved")' > /tmp/nothing.py \
     && spark-submit --master 'local[1]' --packages "${SPARK_PACKAGES}" --conf spark.jars.ivy=/tmp/ivy \
            ${SPARK_REPOSITORIES:+--repositories "${SPARK_REPOSITORIES}"} /tmp/nothing.py \
     && cp /tmp/ivy/jars/*.jar "$(python -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)')/jars/" \
     && rm -rf /tmp/ivy /tmp/nothing.py; \
    fi

COPY --chown=airflow:0 include include
COPY --chown=airflow:0 plugins plugins
COPY --chown=airflow:0 dags dags
COPY --chown=airflow:0 deploy deploy
RUN python -m compileall -q include plugins dags deploy

ENV PYTHONPATH=/opt/quartet:/opt/quartet/plugins \
    PYTHONDONTWRITEBYTECODE=1 \
    QUARTET_HOME=/var/lib/quartet \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/quartet/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/quartet/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    DO_NOT_TRACK=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    MPLBACKEND=Agg

# last, because they change with every commit
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Quartet" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

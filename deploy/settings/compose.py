"""What docker-compose.yaml asks for: secrets, which `make env` makes, and how large and how open the stack is."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from include.core.settings import Settings


def _secret(description: str) -> SecretStr:
    return Field(default=SecretStr(""), description=f"{description}; `make env` makes it")


class ComposeSettings(Settings):
    """Variables of docker-compose.yaml that are no settings of a workflow; no code of ours reads them."""

    model_config = SettingsConfigDict()

    quartet_version: str = Field(default="0.1.0", description="tag of the image that is built and run")
    quartet_revision: str = Field(default="unknown", description="commit that the image is labelled with")
    base_image: str = Field(default="apache/airflow:3.3.2-python3.11", description="what the image is built on")
    spark_packages: str = Field(
        default="",
        description="what the image adds to Spark, such as `org.apache.hadoop:hadoop-aws:3.5.0`, its way to S3; "
        "empty: nothing, and days in S3 are for DuckDB",
    )
    spark_repositories: str = Field(default="", description="where it comes from; empty: Spark's own")
    quartet_bind: str = Field(default="127.0.0.1", description="address of this machine that the web UI listens on")
    quartet_public_url: str = Field(
        default="", description="address of the web UI as people reach it; empty: http://127.0.0.1:QUARTET_PORT"
    )
    quartet_proxy_ips: str = Field(
        default="127.0.0.1", description="addresses of TLS proxies whose `X-Forwarded-…` are believed, by commas"
    )
    api_workers: int = Field(default=1, description="processes of the API server")
    worker_concurrency: int = Field(default=4, description="tasks at a time of a Celery worker")
    worker_memory: str = Field(default="6g", description="most memory of a Celery worker")
    spark_worker_cores: int = Field(default=2, description="cores of a Spark worker")
    spark_worker_memory: str = Field(default="3g", description="memory that a Spark worker gives to executors")
    spark_worker_limit: str = Field(default="4g", description="most memory of a Spark worker, above the one before")
    compose_profiles: str = Field(default="", description="`s3`: with the stand-in of S3; `make env S3=1` sets it")
    storage_endpoint: str = Field(default="", description="address of a stand-in of S3; empty: S3 itself")
    storage_region: str = Field(default="us-east-1", description="region of the storage in S3")
    storage_access_key: str = Field(default="", description="key of the storage; empty: as AWS's libraries find it")
    storage_secret_key: SecretStr = Field(default=SecretStr(""), description="its secret")
    quartet_service_password: SecretStr = _secret("password of the user as whom tasks speak to Airflow's API")
    airflow_fernet_key: SecretStr = _secret("key that Airflow encrypts connections and variables with, for Fernet")
    airflow_jwt_secret: SecretStr = _secret("secret that Airflow's tokens are signed with")
    airflow_secret_key: SecretStr = _secret("secret that the web server's sessions are signed with")
    postgres_password: SecretStr = _secret("password of PostgreSQL's superuser")
    airflow_db_password: SecretStr = _secret("password of Airflow's database: letters, digits, `-` and `_`")
    articles_db_password: SecretStr = _secret("password of the articles' database: letters, digits, `-` and `_`")
    mlflow_db_password: SecretStr = _secret("password of MLflow's database: letters, digits, `-` and `_`")
    mariadb_root_password: SecretStr = _secret("password of MariaDB's root")
    audience_db_password: SecretStr = _secret("password of labeling's user on MariaDB: letters, digits, `-` and `_`")
    audience_source_password: SecretStr = _secret(
        "password of `crawler`, who fills the source of labeling: letters, digits, `-` and `_`"
    )
    redis_password: SecretStr = _secret("password of Redis: letters, digits, `-` and `_`")

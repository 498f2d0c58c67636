"""
Every password and key: Secrets Manager makes it, and neither the template nor a person ever sees it.

Two kinds. *Generated* ones are random text. *Composed* ones are addresses and Airflow connections that have a generated
one in them; the template holds a reference, and CloudFormation puts the text in when it makes the secret. It does not
look again: who changes a generated secret changes what is composed of it (README.md, "Change a password").
"""

import json
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from deploy.aws.network import API_PORT, POSTGRES_PORT, REDIS_PORT

CONNECTIONS = "/airflow/connections"
VARIABLES = "/airflow/variables"
SERVICE_USER = "quartet-service"
"""The Airflow user that tasks set notes as; `deploy.production.users` makes it from the connection `quartet_api`."""

GENERATED = {
    "jwt": ("AIRFLOW__API_AUTH__JWT_SECRET", 64),
    "session": ("AIRFLOW__API__SECRET_KEY", 64),
    # 43 letters and digits and `=` are 32 bytes in base64, of which 256 bits are random
    "fernet": ("before the `=` of AIRFLOW__CORE__FERNET_KEY", 43),
    "admin": ("password of Airflow's administrator", 32),
    "service": (f"password of the Airflow user {SERVICE_USER}", 32),
    "airflow": ("password of PostgreSQL's user airflow", 32),
    "articles": ("password of PostgreSQL's user articles", 32),
    "mlflow": ("password of PostgreSQL's user mlflow", 32),
    "audience-input": ("password of MariaDB's user audience_input", 32),
    "audience-output": ("password of MariaDB's user audience_output", 32),
    "redis": ("token of Redis", 64),
}
"""Name → what it is, characters: letters and digits, which need no escapes in addresses and JSON."""


AUDIENCE = {"INPUT_PASSWORD": "audience-input", "OUTPUT_PASSWORD": "audience-output"}
"""Variable → generated secret; for the components that open MariaDB."""


@dataclass
class Credentials:
    """The secrets of the stack."""

    generated: dict[str, secretsmanager.Secret]
    airflow: dict[str, tuple[secretsmanager.Secret | secretsmanager.ISecret, str]] = field(default_factory=dict)
    """Variable of Airflow's components → secret and the key in its JSON object."""
    mlflow: secretsmanager.Secret | None = None
    """The address of MLflow's database."""
    given: dict[str, secretsmanager.ISecret] = field(default_factory=dict)
    """Variable of Airflow's components → secret that somebody else keeps."""
    connections: dict[str, secretsmanager.Secret] = field(default_factory=dict)
    """Name → Airflow connection, as Airflow's secrets backend reads it."""
    variables: dict[str, secretsmanager.Secret] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """Give the reference to a generated secret, which CloudFormation resolves."""
        return self.generated[name].secret_value.unsafe_unwrap()


def generate(scope: Construct) -> Credentials:
    """Make the random ones."""
    return Credentials(
        {
            name: secretsmanager.Secret(
                scope,
                f"Secret-{name}",
                description=f"Quartet: {meaning}",
                generate_secret_string=secretsmanager.SecretStringGenerator(
                    exclude_punctuation=True, password_length=characters
                ),
                # without it nobody reads the connections in the last snapshot of Airflow's database
                removal_policy=cdk.RemovalPolicy.RETAIN if name == "fernet" else None,
            )
            for name, (meaning, characters) in GENERATED.items()
        }
    )


def compose(scope: Construct, credentials: Credentials, postgres: str, redis: str, api: str, region: str) -> None:
    """
    Make those that are composed of them.

    Args:
        scope: the stack.
        credentials: the random ones; the composed ones are added.
        postgres: host of PostgreSQL.
        redis: host of Redis.
        api: host of the API server inside the network.
        region: of the storage.
    """
    airflow = f"postgresql+psycopg2://airflow:{credentials.of('airflow')}@{postgres}:{POSTGRES_PORT}/airflow"
    values = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{airflow}",
        "AIRFLOW__CELERY__BROKER_URL": f"rediss://:{credentials.of('redis')}@{redis}:{REDIS_PORT}/0",
        "AIRFLOW__CORE__FERNET_KEY": f"{credentials.of('fernet')}=",
        "AIRFLOW__API_AUTH__JWT_SECRET": credentials.of("jwt"),
        "AIRFLOW__API__SECRET_KEY": credentials.of("session"),
    }
    shared = _secret(scope, "Secret-environment", "what all components of Airflow get", json.dumps(values))
    credentials.airflow = {variable: (shared, variable) for variable in values}
    credentials.mlflow = _secret(
        scope,
        "Secret-mlflow-database",
        "MLFLOW_BACKEND_STORE_URI",
        f"postgresql+psycopg2://mlflow:{credentials.of('mlflow')}@{postgres}:{POSTGRES_PORT}/mlflow",
    )
    connections = {
        "quartet_articles": {
            "conn_type": "postgres",
            "host": postgres,
            "port": POSTGRES_PORT,
            "login": "articles",
            "password": credentials.of("articles"),
            "schema": "articles",
            "extra": {"sslmode": "require"},
        },
        "quartet_api": {
            "conn_type": "http",
            "schema": "http",
            "host": api,
            "port": API_PORT,
            "login": SERVICE_USER,
            "password": credentials.of("service"),
        },
        # no key: the credentials are those of the task's role
        "quartet_storage": {"conn_type": "aws", "extra": {"region_name": region}},
    }
    credentials.connections = {
        name: _secret(
            scope, f"Connection-{name}", f"connection {name}", json.dumps(connection), f"{CONNECTIONS}/{name}"
        )
        for name, connection in connections.items()
    }
    name = "article_recs"  # not a secret, but Airflow looks into one place only
    credentials.variables = {
        name: _secret(scope, f"Variable-{name}", f"Variable {name}", "{}", f"{VARIABLES}/{name}"),
    }


def _secret(
    scope: Construct, construct_id: str, meaning: str, value: str, name: str | None = None
) -> secretsmanager.Secret:
    return secretsmanager.Secret(
        scope,
        construct_id,
        description=f"Quartet: {meaning}",
        secret_name=name,
        secret_string_value=cdk.SecretValue.unsafe_plain_text(value),  # references only, as a test makes sure
    )

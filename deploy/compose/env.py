"""
Write the secrets that docker-compose.yaml asks for into .env: `make env`, or `python3 deploy/compose/env.py`.

What stands there stays; only what is missing is added, so it may be run again after an update. It needs nothing but
Python, and no secret is printed.
"""

import argparse
import base64
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def password() -> str:
    """Make a password of letters, digits, `-` and `_`, which has to be quoted nowhere; 192 random bits."""
    return secrets.token_urlsafe(24)


def signing_secret() -> str:
    """Make a secret that tokens are signed with, as long as HS512 wants it: 512 random bits."""
    return secrets.token_urlsafe(64)


def fernet_key() -> str:
    """Make a key as Fernet wants it: 32 random bytes in base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


SECRETS: dict[str, Callable[[], str]] = {
    "QUARTET_ADMIN_PASSWORD": password,
    "QUARTET_SERVICE_PASSWORD": password,
    "AIRFLOW_FERNET_KEY": fernet_key,
    "AIRFLOW_JWT_SECRET": signing_secret,
    "AIRFLOW_SECRET_KEY": password,
    "POSTGRES_PASSWORD": password,
    "AIRFLOW_DB_PASSWORD": password,
    "ARTICLES_DB_PASSWORD": password,
    "MLFLOW_DB_PASSWORD": password,
    "MARIADB_ROOT_PASSWORD": password,
    "AUDIENCE_DB_PASSWORD": password,
    "AUDIENCE_SOURCE_PASSWORD": password,
    "REDIS_PASSWORD": password,
}
"""Variable → what makes its value. docs/security.md tells what each is for."""

S3: dict[str, Callable[[], str]] = {
    "COMPOSE_PROFILES": lambda: "s3",
    "QUARTET_STORAGE": lambda: "s3://quartet",
    "STORAGE_ENDPOINT": lambda: "http://s3:5000",
    "STORAGE_ACCESS_KEY": password,
    "STORAGE_SECRET_KEY": password,
}
"""The same, for the stand-in of S3."""


def complete(text: str, wanted: dict[str, Callable[[], str]]) -> tuple[str, list[str]]:
    """
    Add what is missing to the lines of a `.env`.

    Args:
        text: what the file holds; a line that is a comment sets nothing, an empty value counts as missing.
        wanted: variable → what makes its value.

    Returns:
        The new text, and the names that were added.
    """
    given = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    missing = [name for name in wanted if not given.get(name, "").strip()]
    if not missing:
        return text, []
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in missing]
    added = [f"{name}={wanted[name]()}" for name in missing]
    return "\n".join([*kept, "", "# --- made by `make env`; keep them secret ---", *added]) + "\n", missing


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Complete `.env`, which is made of `.env.example` if there is none; only its owner may read it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--s3", action="store_true", help="also switch the storage to the stand-in of S3")
    wanted = SECRETS | (S3 if parser.parse_args(arguments).s3 else {})
    file = root / ".env"
    before = (file if file.exists() else root / ".env.example").read_text(encoding="utf-8")
    text, added = complete(before, wanted)
    aside = file.with_name(".env.partial")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as written:
        written.write(text)
    aside.replace(file)
    sys.stdout.write(f"{file}: {len(added)} secrets added\n" if added else f"{file}: nothing was missing\n")
    sys.stdout.write("start:  docker compose up -d --build --wait\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

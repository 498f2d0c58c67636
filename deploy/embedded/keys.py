"""Keys of one home: random, generated once, readable only by their owner."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from deploy.embedded.errors import EmbeddedError

FILE = "secrets.json"
# random bytes: tokens are signed with SHA-512, whose key should be as long as its digest; Fernet takes 32
NAMES = {"AIRFLOW__API_AUTH__JWT_SECRET": 64, "AIRFLOW__API__SECRET_KEY": 64, "AIRFLOW__CORE__FERNET_KEY": 32}


def load_or_create(home: Path) -> Mapping[str, str]:
    """
    Return the keys of *home*, by environment variable; generate them on the first call.

    Raises:
        EmbeddedError: the file exists but is not what this function wrote. It is left untouched, because
            connections in Airflow's database can only be read with the Fernet key in it.
    """
    path = home / FILE
    if not path.exists():
        _write(
            path, {name: base64.urlsafe_b64encode(secrets.token_bytes(size)).decode() for name, size in NAMES.items()}
        )
    path.chmod(0o600)
    try:
        keys = json.loads(path.read_text())
        return {name: str(keys[name]) for name in NAMES}
    except (ValueError, KeyError, TypeError):
        raise EmbeddedError(
            f"{path} is not a JSON object with {', '.join(NAMES)}. Restore it; or move it away, so that new keys are "
            "generated, and enter the passwords of connections saved in Airflow again"
        ) from None


def _write(path: Path, keys: Mapping[str, str]) -> None:
    aside = path.with_name(f"{path.name}.partial")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(keys, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)

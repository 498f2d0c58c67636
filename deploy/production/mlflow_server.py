"""MLflow's server, with its database at MLFLOW_BACKEND_STORE_URI and its files in the platform's storage."""

import os
import sys

from include.core.settings import PlatformSettings
from quartet.hooks.storage import StorageHook

PORT = 5000


def credentials() -> dict[str, str]:
    """Return the storage's credentials as variables; those of a role, which expire, are left to AWS's libraries."""
    found = StorageHook().environment()
    if "AWS_SESSION_TOKEN" in found:
        return {name: value for name, value in found.items() if not name.startswith("AWS_") or name == "AWS_REGION"}
    return found


def main() -> None:
    """Replace this process with the server."""
    line = [sys.executable, "-m", "mlflow", "server", "--host", "0.0.0.0", "--port", str(PORT), "--workers", "1"]  # noqa: S104
    line += ["--no-serve-artifacts", "--default-artifact-root", f"{PlatformSettings.load().storage_url}/mlflow"]
    os.execve(line[0], line, {**os.environ, **credentials()})  # noqa: S606


if __name__ == "__main__":
    main()

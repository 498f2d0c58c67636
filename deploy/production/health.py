"""
Check whether a component of Airflow is alive, as the API server reports it: `health.py dag_processor`.

It runs every few seconds, so it imports next to nothing.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

SECONDS = 5


def status(component: str, address: str) -> str:
    """
    Return the status of a component in Airflow's health report.

    Args:
        component: key of the report: `dag_processor`, `metadatabase`, `scheduler` or `triggerer`.
        address: address of the API server.

    Returns:
        `healthy`, `unhealthy`, or the reason why the status is unknown.
    """
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SECONDS)
    try:
        connection.request("GET", "/api/v2/monitor/health")
        response = connection.getresponse()
        if response.status != 200:
            return f"the API server answered {response.status}"
        return str(json.load(response)[component]["status"])
    except (OSError, HTTPException, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def main(component: str) -> int:
    """Print the status; return 0 if it is healthy."""
    found = status(component, os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"])
    sys.stdout.write(f"{component}: {found}\n")
    return 0 if found == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Creation of the platform's pools through Airflow's API."""

from typing import Any

import httpx
from tenacity import retry, retry_if_result, stop_after_attempt, wait_exponential

from deploy.embedded.errors import EmbeddedError
from include.workflows import pools


def ensure(client: httpx.Client) -> list[str]:
    """Create the pools that are missing and return their names; an existing pool keeps its size."""
    created = []
    for name, pool in pools().items():
        if client.get(f"/api/v2/pools/{name}").status_code == httpx.codes.OK:
            continue
        body = {
            "name": name,
            "slots": pool.slots,
            "description": pool.description,
            "include_deferred": pool.include_deferred,
        }
        reply = _post(client, body)
        if reply.status_code not in (httpx.codes.CREATED, httpx.codes.CONFLICT):
            raise EmbeddedError(f"pool {name} could not be created: {reply.status_code} {reply.text[:500]}")
        created.append(name)
    return created


@retry(  # Airflow on SQLite may be briefly overloaded
    retry=retry_if_result(lambda reply: reply.is_server_error),
    stop=stop_after_attempt(6),
    wait=wait_exponential(multiplier=0.25, max=4),
    retry_error_callback=lambda state: state.outcome and state.outcome.result(),
)
def _post(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return client.post("/api/v2/pools", json=body)

"""Creation of the platform's pools through Airflow's API."""

import httpx

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
        reply = client.post("/api/v2/pools", json=body)
        if reply.status_code not in (httpx.codes.CREATED, httpx.codes.CONFLICT):
            raise EmbeddedError(f"pool {name} could not be created: {reply.status_code} {reply.text[:500]}")
        created.append(name)
    return created

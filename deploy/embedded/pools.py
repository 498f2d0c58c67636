"""Make the pools of the platform through Airflow's API."""

import httpx

from deploy.embedded.errors import EmbeddedError
from deploy.pools import POOLS


def ensure(client: httpx.Client) -> list[str]:
    """Create the pools that are missing through the API, and name them; one that exists keeps its size."""
    made = []
    for name, (slots, deferred, description) in POOLS.items():
        if client.get(f"/api/v2/pools/{name}").status_code == httpx.codes.OK:
            continue
        body = {"name": name, "slots": slots, "description": description, "include_deferred": deferred}
        reply = client.post("/api/v2/pools", json=body)
        if reply.status_code not in (httpx.codes.CREATED, httpx.codes.CONFLICT):
            raise EmbeddedError(f"pool {name} could not be made: {reply.status_code} {reply.text[:500]}")
        made.append(name)
    return made

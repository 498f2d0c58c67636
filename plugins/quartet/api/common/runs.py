"""Airflow's public REST API, called in process on behalf of the caller of our own API.

The call passes through the whole of Airflow's app, without a socket: same authentication, authorisation, validation
and audit log as from outside, and no session with the metadata database here. Use it in `async def` routes:

    @app.post("/rollback", status_code=202, dependencies=[may_run("ratings_train")])
    async def rollback(request: Request, body: Rollback):
        return {"dag_run_id": await runs.trigger(request, "ratings_train", {"model": body.model})}

(A plain `def` route would hold a worker thread while Airflow's own routes wait for one.)
"""

import os
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import Request

from quartet.api.common.errors import ApiError

PASSED_ON = {400, 401, 403, 404, 409, 422}
"""Airflow's refusals, answered to our caller as they are; anything else unexpected becomes 503."""


async def trigger(
    request: Request, dag_id: str, conf: dict[str, Any], run_id: str | None = None, note: str | None = None
) -> str:
    """
    Start a run of a DAG under the caller's name.

    Args:
        request: the caller's, with their credentials.
        dag_id: the DAG.
        conf: values of the DAG's params.
        run_id: name of the run; `None`: Airflow makes one. A name that exists is refused with 409.
        note: text shown beside the run, at most 1000 characters.

    Returns:
        The name of the run.

    Raises:
        ApiError: Airflow's refusal, or 503.
    """
    body = {"dag_run_id": run_id, "logical_date": None, "conf": conf, "note": note}
    return (await _call(request, "POST", f"/dags/{_segment(dag_id)}/dagRuns", json=body))["dag_run_id"]


async def list_runs(
    request: Request, dag_id: str, limit: int = 50, order_by: str = "-run_after"
) -> list[dict[str, Any]]:
    """
    List runs of a DAG as Airflow describes them, newest first; `~` means all DAGs that the caller may see.

    Airflow gives at most `[api] maximum_page_limit` (100) at a time. Raises `ApiError` like `trigger`.
    """
    query = {"limit": limit, "order_by": order_by}
    return (await _call(request, "GET", f"/dags/{_segment(dag_id)}/dagRuns", params=query))["dag_runs"]


async def get_run(request: Request, dag_id: str, run_id: str) -> dict[str, Any]:
    """Describe one run of a DAG; raises `ApiError` like `trigger`, with 404 for an unknown run."""
    return await _call(request, "GET", f"/dags/{_segment(dag_id)}/dagRuns/{_segment(run_id)}")


async def end(request: Request, dag_id: str, run_id: str) -> None:
    """End a run of a DAG and its tasks as failed, under the caller's name; raises `ApiError` like `trigger`."""
    path = f"/dags/{_segment(dag_id)}/dagRuns/{_segment(run_id)}"
    await _call(request, "PATCH", path, params={"update_mask": "state"}, json={"state": "failed"})


async def _call(request: Request, method: str, path: str, **options: Any) -> dict[str, Any]:
    headers = {
        # a host the server has let in, so it does so again
        "Host": request.headers.get("host", "localhost"),
        **{name: request.headers[name] for name in ("authorization", "x-request-id") if name in request.headers},
    }
    cookies = {"_token": request.cookies["_token"]} if "_token" in request.cookies else None
    client = httpx.AsyncClient(
        transport=_transport(), base_url="http://localhost/api/v2", headers=headers, cookies=cookies, trust_env=False
    )
    async with client:
        response = await client.request(method, path, **options)
    if response.is_success:
        return response.json()
    if response.status_code in PASSED_ON:
        raise ApiError(response.status_code, _text(response))
    raise ApiError(503, f"Airflow is not available: its API answered {response.status_code} to {method} {path}")


def _segment(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")  # httpx would resolve `..`


def _transport() -> httpx.ASGITransport:
    from airflow.api_fastapi.app import cached_app

    # the server's own app: `airflow.api_fastapi.main` asks in the same words, so the cache gives the same object
    app = cached_app(apps=os.environ.get("AIRFLOW_API_APPS", "all"))
    return httpx.ASGITransport(app, raise_app_exceptions=False)


def _text(response: httpx.Response) -> str:
    try:
        detail = response.json()["detail"]
    except (ValueError, TypeError, KeyError):
        return response.text
    if isinstance(detail, list):  # what FastAPI says of a body that is not valid
        return "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in detail)
    return str(detail)

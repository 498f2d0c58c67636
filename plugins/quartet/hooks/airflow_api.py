"""Airflow's public REST API, with which tasks set the notes of their runs in the web UI."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseHook
from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

NOTE_CHARACTERS = 1000
TIMEOUT_SECONDS = 2.0

_tokens: dict[str, str] = {}


class AirflowApiHook(BaseHook):
    """
    Hook for Airflow's own REST API.

    Notes are a convenience for users of the web UI: a failure is logged, never raised.

    :param airflow_api_conn_id: connection with login and password of an Airflow user who may edit DAG runs. Its host,
        if set, is the API server's address. Not needed where every caller is an administrator
        (`[core] simple_auth_manager_all_admins`).
    """

    conn_name_attr = "airflow_api_conn_id"
    default_conn_name = "quartet_api"

    def __init__(self, airflow_api_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.airflow_api_conn_id = airflow_api_conn_id

    def note(self, run: Mapping[str, Any] | tuple[str, str], text: str) -> bool:
        """
        Set the note of a DAG run, replacing an earlier one.

        :param run: the context of a task, or a pair (DAG id, run id).
        :param text: the note; truncated to 1000 characters.
        :return: whether the note was set.
        """
        try:
            dag_id, run_id = run if isinstance(run, tuple) else (run["dag_run"].dag_id, run["dag_run"].run_id)
            self._set_note(dag_id, run_id, shortened(text, NOTE_CHARACTERS))
        except Exception as error:  # a note is never worth a failed task
            log.warning("The note %r was not set: %s: %s", text, type(error).__name__, error)
            return False
        return True

    def _set_note(self, dag_id: str, run_id: str, text: str) -> None:
        import httpx

        url = f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"
        base_url, login = self._address()
        with httpx.Client(base_url=base_url, timeout=TIMEOUT_SECONDS) as client:

            def patch(fresh: bool = False) -> httpx.Response:
                headers = {"Authorization": f"Bearer {_token(client, *login, fresh)}"} if login else {}
                return client.patch(url, params={"update_mask": "note"}, json={"note": text}, headers=headers)

            response = patch()
            if login and response.status_code in (401, 403):  # the token of an earlier note may have expired
                response = patch(fresh=True)
            response.raise_for_status()

    def _address(self) -> tuple[str, tuple[str, str] | None]:
        """Return the API server's address, and user name and password; `None` instead if no login is needed."""
        base_url = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
        if conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False):
            return base_url, None
        connection = self.get_connection(self.airflow_api_conn_id)
        if connection.host:
            port = f":{connection.port}" if connection.port else ""
            base_url = f"{connection.schema or 'http'}://{connection.host}{port}"
        return base_url, (connection.login or "", connection.password or "")


def shortened(text: str, characters: int) -> str:
    """Truncate *text* to a number of characters, of which the last one is then `…`."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def _token(client: "httpx.Client", user: str, password: str, fresh: bool) -> str:
    """Return an access token of the user, requested once per process unless a *fresh* one is needed."""
    key = f"{client.base_url} {user}"
    if fresh or key not in _tokens:
        response = client.post("/auth/token", json={"username": user, "password": password})
        response.raise_for_status()
        _tokens[key] = response.json()["access_token"]
    return _tokens[key]

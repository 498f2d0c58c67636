"""Who may call a route: Airflow's own auth manager in front of every route of our web apps.

Airflow does not authenticate the apps that a plugin mounts. So each route declares exactly one of three, and a test
walks all routes and asserts it:

    @app.get("/commits", dependencies=[may_read("ratings_train")])   # who may see the DAG
    @app.post("/train", dependencies=[may_run("ratings_train")])     # who may start its runs
    @app.get("/recs", dependencies=[PUBLIC])                         # anyone, by design

`may_read_chosen` is a `may_read` whose DAG depends on the request. Without a token the answer is 401; 403 to a user
whose role does not allow it. All of it is decided before the body is validated, but after it was read: broken JSON is
answered 422 to anyone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, Request


class Access(StrEnum):
    """What a route lets its callers do."""

    READ = "read"
    WRITE = "write"
    PUBLIC = "public"


@dataclass(frozen=True)
class Guard:
    """A dependency that lets pass whoever may do `access` to the DAG `dag_id`."""

    access: Access
    dag_id: str
    check: Any = field(repr=False)

    def __call__(self, request: Request, user: GetUserDep) -> None:
        """Raise `HTTPException` with 401 or 403."""
        self.check(request, user)


@dataclass(frozen=True)
class Public:
    """A dependency that lets pass anyone and says that this is meant."""

    access: Access = Access.PUBLIC

    async def __call__(self) -> None:
        """Do nothing."""


def may_read(dag_id: str) -> Any:
    """Guard a route for those who may see the DAG."""
    return Depends(Guard(Access.READ, dag_id, requires_access_dag(method="GET", param_dag_id=dag_id)))


def may_read_chosen(dag_id: str, choose: Callable[[Request], str]) -> Any:
    """Guard a route for those who may see the DAG that *choose* names for a request; it is *dag_id* by default."""

    def check(request: Request, user: Any) -> None:
        requires_access_dag(method="GET", param_dag_id=choose(request))(request, user)

    return Depends(Guard(Access.READ, dag_id, check))


def may_run(dag_id: str) -> Any:
    """Guard a route for those who may start runs of the DAG."""
    check = requires_access_dag(method="POST", access_entity=DagAccessEntity.RUN, param_dag_id=dag_id)
    return Depends(Guard(Access.WRITE, dag_id, check))


PUBLIC: Any = Depends(Public())
"""Marks a route that anyone may call."""

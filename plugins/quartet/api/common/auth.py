"""Authorization of routes by Airflow's own auth manager.

Airflow does not authenticate the apps that a plugin mounts, so each route declares exactly one of these guards. A test
walks all routes and checks this:

    @router.get("/commits", dependencies=[may_read("ratings_train")])   # users who may see the DAG
    @router.post("/train", dependencies=[may_run("ratings_train")])     # users who may start its runs
    @router.get("/recs", dependencies=[PUBLIC])                         # anyone, by design
    @router.get("/", dependencies=[SIGNED_IN])                          # any user; shows what Airflow lets them see

`may_read_chosen` is a `may_read` whose DAG depends on the request. A request without a token gets 401, a user whose
role does not allow the call gets 403. Guards run before the body is validated but after it is read, so malformed JSON
gets 422 from anyone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, Request


class Access(StrEnum):
    """Kind of access that a route needs."""

    READ = "read"
    WRITE = "write"
    SIGNED_IN = "signed in"
    PUBLIC = "public"


@dataclass(frozen=True)
class Guard:
    """A dependency that admits users with `access` to the DAG `dag_id`."""

    access: Access
    dag_id: str
    check: Any = field(repr=False)

    def __call__(self, request: Request, user: GetUserDep) -> None:
        """Raise `HTTPException` with 401 or 403."""
        self.check(request, user)


@dataclass(frozen=True)
class Public:
    """A dependency that admits anyone and marks this as intended."""

    access: Access = Access.PUBLIC

    async def __call__(self) -> None:
        """Do nothing."""


def may_read(dag_id: str) -> Any:
    """Admit users who may see the DAG."""
    return Depends(Guard(Access.READ, dag_id, requires_access_dag(method="GET", param_dag_id=dag_id)))


def may_read_chosen(dag_id: str, choose: Callable[[Request], str]) -> Any:
    """Admit users who may see the DAG that *choose* returns for a request; *dag_id* is its default."""

    def check(request: Request, user: Any) -> None:
        requires_access_dag(method="GET", param_dag_id=choose(request))(request, user)

    return Depends(Guard(Access.READ, dag_id, check))


def may_run(dag_id: str) -> Any:
    """Admit users who may start runs of the DAG."""
    check = requires_access_dag(method="POST", access_entity=DagAccessEntity.RUN, param_dag_id=dag_id)
    return Depends(Guard(Access.WRITE, dag_id, check))


PUBLIC: Any = Depends(Public())
"""Guard of a route that anyone may call."""


SIGNED_IN: Any = Depends(Guard(Access.SIGNED_IN, "", lambda request, user: None))
"""Guard of a route that any user may call; what it shows of a DAG, Airflow has filtered for this user."""

"""Run the demo against a platform with users: `docker compose --profile demo run --rm demo`."""

import os
import socket
import sys
from datetime import UTC, datetime

import httpx
from rich.console import Console

from deploy.demo.client import Platform


def token(url: str, user: str, password: str) -> str:
    """
    Return an access token of a user.

    Raises:
        httpx.HTTPError: the platform does not answer, or rejects the user.
    """
    reply = httpx.post(f"{url}/auth/token", json={"username": user, "password": password}, timeout=30)
    reply.raise_for_status()
    return reply.json()["access_token"]


def main() -> int:
    """Provide the demo's data and run the demo; return 0 if every result is as expected."""
    from deploy.demo import __main__ as demo
    from deploy.demo.articles import gazette
    from deploy.demo.audience import posts
    from deploy.demo.ratings import base

    console = Console(soft_wrap=True)
    url, user = os.environ["QUARTET_URL"], os.environ.get("QUARTET_ADMIN_USER") or "admin"
    try:
        os.environ["QUARTET_TOKEN"] = token(url, user, os.environ["QUARTET_ADMIN_PASSWORD"])
    except httpx.HTTPError as error:
        Console(stderr=True, soft_wrap=True).print(f"no token for {user}: {error}", style="red", markup=False)
        return 1
    # tasks on other machines request the demo site's pages and the files of the song plays from this one
    os.environ["QUARTET_DEMO_HOST"] = socket.gethostbyname(socket.gethostname())
    base.provide(console)
    posts.provide(console)
    gazette.provide(console)
    _train(Platform(url))
    return demo.main()


def _train(platform: Platform) -> None:
    """Trigger the first training if there is no model: an earlier run may have failed for lack of the base data."""
    if platform.get("/ratings/models")["champion"] is None:
        platform.trigger("ratings_train", f"demo__{datetime.now(UTC).isoformat()}", {})


if __name__ == "__main__":
    sys.exit(main())

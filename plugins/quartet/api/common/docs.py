"""Apps whose interactive documentation works without the internet."""

from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline


def documented_app(title: str, description: str | None, **options: Any) -> FastAPI:
    """
    Build an app of the platform; `/docs` and `/redoc` load nothing from other hosts.

    Args:
        title: shown after the name of the platform.
        description: the overview in Markdown, usually the docstring of the module that builds the app.
        options: further arguments of `FastAPI`.
    """
    return FastAPIOffline(title=f"Quartet: {title}", description=description or "", **options)

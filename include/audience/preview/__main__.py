"""A preview in a process of its own, which can be killed: the request on standard input, the report on standard output.

    python -m include.audience.preview < request.json > report.json

The report is `{"content": …}`, or `{"error": <text>, "kind": "input" or "database"}`.
"""

import json
import sys
from typing import Any

from sqlalchemy.exc import DBAPIError

from include.audience.preview import preview
from include.audience.request import PreviewRequest, validated
from include.audience.settings import AudienceSettings
from include.core.errors import BadDataError


def answer(request: str) -> dict[str, Any]:
    """Return the answer to a request in JSON."""
    settings = AudienceSettings.load()
    try:
        return {"content": preview.run(validated(PreviewRequest, json.loads(request)), settings)}
    except BadDataError as error:
        return {"error": settings.without_secrets(str(error)), "kind": "input"}
    except DBAPIError as error:
        return {"error": settings.without_secrets(str(error.orig)), "kind": "database"}


if __name__ == "__main__":
    json.dump(answer(sys.stdin.read()), sys.stdout)

"""Previews of rules: run in a process of their own, since a regular expression may never come to an end."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

from include.audience import layout
from include.audience.request import PreviewRequest
from include.audience.settings import AudienceSettings
from include.core.errors import DamagedObjectError
from include.core.settings import ROOT
from include.core.storage import read_json, write_whole
from quartet.api.audience.schemas import Preview
from quartet.hooks.storage import StorageHook

log = logging.getLogger(__name__)

CODES = {"input": 400, "database": 503}
BACKGROUND = 'send "background": true, or a smaller sample_posts'


def run(request: PreviewRequest, settings: AudienceSettings) -> Preview:
    """Return the report of a preview, or why there is none."""
    line = [sys.executable, "-m", "include.audience.preview"]
    content = request.model_dump_json(include=set(PreviewRequest.model_fields), exclude_unset=True)
    try:
        done = subprocess.run(  # noqa: S603  # no word of it is the caller's
            line, input=content, capture_output=True, text=True, cwd=Path(ROOT), timeout=settings.preview_seconds
        )
    except subprocess.TimeoutExpired:
        seconds = (
            f"the preview was not ready within {settings.preview_seconds} s ({settings.variable('preview_seconds')})"
        )
        return Preview(error_code=503, error_message=f"{seconds}: {BACKGROUND}", content=None)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        log.error("the preview failed (%d): %s", done.returncode, settings.without_secrets(done.stderr))
        return Preview(error_code=500, error_message="the preview failed; see the server's log", content=None)
    if "error" in found:
        return Preview(error_code=CODES[found["kind"]], error_message=found["error"], content=None)
    return Preview.model_validate({"error_code": 200, "error_message": "OK", **found})


def pin(request: PreviewRequest, preview_id: str) -> dict[str, Any]:
    """Store the new rules of a preview in the background, and return the params of its run."""
    if request.rules:
        write_whole(layout.preview_rules_file(StorageHook().path("audience"), preview_id), request.rules.encode())
    fields = set(PreviewRequest.model_fields) - {"rules"}
    return request.model_dump(mode="json", include=fields, exclude_unset=True) | {"preview_id": preview_id}


def read(preview_id: str) -> Preview:
    """Return the stored report of a preview."""
    try:
        content = read_json(layout.preview_file(StorageHook().path("audience"), preview_id))
    except DamagedObjectError:
        return Preview(error_code=500, error_message="the stored report is damaged", content=None)
    if content is None:
        text = "there is no report: the preview is not ready, has failed, or its report is no longer kept"
        return Preview(error_code=404, error_message=text, content=None)
    return Preview.model_validate({"error_code": 200, "error_message": "OK", "content": content})

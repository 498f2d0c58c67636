"""A preview: reads posts, compares two rule sets on them, and writes nothing."""

import logging
import random
from collections.abc import Callable
from typing import Any

from include.audience.plan import STRETCH_ROWS
from include.audience.preview import report
from include.audience.preview.comparison import Comparison
from include.audience.request import PreviewRequest
from include.audience.rules import files
from include.audience.rules.files import MissingRulesError
from include.audience.rules.ruleset import Rules, check_types
from include.audience.settings import AudienceSettings, UnknownSchemaError
from include.audience.source import source_map
from include.audience.source.posts import Source
from include.audience.source.windows import Windows, stretches
from include.audience.task import RangeError, column_of, local_time
from include.core.database.bulk import gc_disabled
from include.core.database.engine import open_engine

log = logging.getLogger(__name__)

PART_ROWS = 20_000
MAX_DRAWN = 1_000
"""Maximum number of windows in a sample: with very few posts in each, it is smaller than requested."""


def run(
    request: PreviewRequest, settings: AudienceSettings, between: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """
    Compare new rules with those in force on the posts of a time range.

    Args:
        request: the posts, the new rules, and how many posts to read.
        settings: the rules in force, the databases and the source map.
        between: called from time to time; ends the preview by an error.

    Returns:
        The report; see `report.describe`.

    Raises:
        BadDataError: the rules or the time range are invalid, or there is no such schema.
        DBAPIError: the database cannot be read.
    """
    before, after = rules_of(request, settings)
    start, end = (local_time(time, settings.zone) for time in (request.start_time, request.end_time))
    if start >= end:
        raise RangeError("start_time must be earlier than end_time")
    windows = Windows(start, end, settings.window_hours)
    tables = source_map.read(settings.source_map)
    comparison = Comparison(before, after, tables, windows, settings.tie_policy, between)
    try:
        with open_engine(settings.source_url(request.target_schema or settings.input_schema), read_only=True) as engine:
            source = Source(engine, request.target_table, column_of(request.predict_type))
            with gc_disabled():
                found = _compare(comparison, source, request.sample_posts)
    except FileNotFoundError:
        raise UnknownSchemaError(f"there is no source schema {request.target_schema}") from None
    warnings = {"warnings": after.warnings, "rules_before": before.checksum, "rules_after": after.checksum}
    return found | warnings


def rules_of(request: PreviewRequest, settings: AudienceSettings) -> tuple[Rules, Rules]:
    """Return the rules in force, which may be none, and the new ones."""
    types = request.model_type, request.predict_type
    try:
        before = files.read(settings.rules_dir, *types)
    except MissingRulesError:
        before = Rules(request.model_type, check_types(*types), ())
    if request.rules:
        return before, files.parse_csv(request.rules, *types, "rules")
    return before, files.read(settings.rules_dir / request.folder, *types) if request.folder else before


def _compare(comparison: Comparison, source: Source, sample_posts: int) -> dict[str, Any]:
    windows = comparison.windows
    last = len(windows) - 1
    source.check()
    total = source.total(windows.span((0, last)))
    drawn = None
    if 0 < sample_posts < total:
        drawn = _draw(source, windows, sample_posts, comparison.after.rules.checksum)
        spans = [(window, window) for window in drawn]
    else:
        spans = stretches((0, last), source.count(windows), STRETCH_ROWS)
    for stretch in spans:
        for posts in source.read(windows.span(stretch), PART_ROWS):
            comparison.add(posts)
        comparison.settle()
    log.info("%d posts of %d compared", comparison.received, total)
    return report.describe(comparison, drawn, total)


def _draw(source: Source, windows: Windows, limit: int, seed: str) -> dict[int, int]:
    """Draw windows at random, the same ones for the same rules, until they have *limit* rows; return their rows."""
    numbers = list(range(len(windows)))
    random.Random(seed).shuffle(numbers)  # not for secrets
    drawn: dict[int, int] = {}
    for number in numbers[:MAX_DRAWN]:
        if sum(drawn.values()) >= limit and len(drawn) > 1:
            break
        drawn[number] = source.total(windows.span((number, number)))
    return dict(sorted(drawn.items()))

"""Publication of a model: store its lists and let it replace the model that is served."""

import logging
from collections.abc import Callable
from datetime import datetime

import pandas as pd
from sqlalchemy import Engine

from include.articles import report
from include.articles.database import models, recommendations
from include.articles.database.status import Status
from include.articles.layout import RunFiles
from include.articles.plan import Plan
from include.core.frames import read_frame, write_frame

log = logging.getLogger(__name__)

POPULARITY, ARTICLE = "popularity", "article"
"""The types of models: defaults of the site, related articles of each article."""


def publish(
    engine: Engine,
    plan: Plan,
    files: RunFiles,
    kind: str,
    lists: pd.DataFrame,
    clock: Callable[[], datetime],
    max_shrink: float | None = None,
) -> report.Counts:
    """
    Store the lists of a run's model and promote it; a model that is already promoted stays as it is.

    Args:
        engine: the database.
        plan: the plan of the run.
        files: the files of the run.
        kind: type of the model.
        lists: columns `source`, `rank`, `target` and `score`.
        clock: returns the present time.
        max_shrink: see `models.promote`.

    Returns:
        The description of the lists, `target_ages` (histogram in days), `model_id`, `status` (`current`, or `stale` if
        a later run was faster), and `overlap_with_previous` if another model was current.
    """
    articles = read_frame(files.articles)
    ages = report.ages_days(articles, plan.run_at)
    counts = report.describe_lists(lists, ages)
    counts["target_ages"] = report.histogram(ages.reindex(lists["target"]), report.AGE_DAYS)
    write_frame(files.recommendations(kind), lists)
    ids = articles.set_index("external_id")["article_id"]
    rows = lists.assign(article_id=ids.reindex(lists["target"]).to_numpy())
    [model_id] = models.open_models(engine, plan.site, plan.run_id, [kind], plan.run_at, clock()).values()
    counts["model_id"] = model_id
    before = models.current(engine, plan.site, kind)
    if before is not None and before.id != model_id:
        earlier = recommendations.read_lists(engine, before.id).rename(columns={"external_id": "target"})
        counts["overlap_with_previous"] = report.overlap(lists, earlier)
    if models.read(engine, model_id).status == Status.PENDING:
        recommendations.write(engine, model_id, rows, clock())
    counts["status"] = models.promote(engine, model_id, clock(), max_shrink).value
    log.info("model %d (%s) of %s is %s: %d rows", model_id, kind, plan.site, counts["status"], len(lists))
    return counts

"""One run of predicting: the champion answers all files that it has not answered."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from logging import getLogger

from include.core.storage import StoragePath
from include.ratings import landing, models, prediction, reports, training

log = getLogger(__name__)

LOOK_SECONDS = 1.0
"""While old answers are renewed: how often to look whether somebody waits for a first one."""


def answer_all(
    root: StoragePath, stored: Callable[[str], StoragePath], run: str, clock: Callable[[], float]
) -> reports.Report:
    """
    Answer the files of `streaming`, those without any answer first.

    When a file without any answer lands while old answers are renewed, the rest is left to the run which it starts.

    Args:
        root: the workflow's folder.
        stored: gives a path below the storage root.
        run: the DAG run that does it.
        clock: gives seconds since 1970.

    Raises:
        DamagedObjectError: the champion's artefact is not what was written; those who wait are told.
        OSError: the storage is not available.
    """
    champion = models.champion(root)
    if champion is None:
        waiting = len(landing.landed(root, "streaming"))
        return reports.Report("predict", run, [], [], "nothing", "no champion yet", {"files_waiting": waiting})
    version = champion.version
    work = prediction.plan(root, version, champion.previous, clock())
    if not (work.unanswered or work.outdated):
        return reports.Report("predict", run, [], [version], "nothing", f"nothing to do: model {version} has answered")
    try:
        card = models.read_card(root, version)
        if card is None:
            raise FileNotFoundError(f"model {version} has no card")
        model = training.load(stored(card.artefact), card.sha256)
    except (OSError, ValueError) as error:
        prediction.record_failure(root, version, str(error), run)
        raise
    prediction.clear_failure(root, version)
    at = datetime.fromtimestamp(clock(), UTC).isoformat()
    counts: Counter[str] = Counter()
    pinned = {each.name for each in (*work.unanswered, *work.outdated)}
    looked = clock()
    for index, each in enumerate([*work.unanswered, *work.outdated]):
        if index >= len(work.unanswered) and clock() - looked >= LOOK_SECONDS:
            looked = clock()
            fresh = prediction.plan(root, version, champion.previous, looked).unanswered
            if any(file.name not in pinned for file in fresh):
                counts["left"] = len(pinned) - index
                log.info("A new file waits: %d old answers are left to the next run", counts["left"])
                break
        counts[prediction.predict_file(root, each, model, version, run=run, at=at)] += 1
    log.info("Model %d: %s", version, dict(counts))
    return reports.Report(
        pipeline="predict",
        dag_run_id=run,
        input=[each.name for each in (*work.unanswered, *work.outdated)][:100],
        output=[version],
        made="computed" if counts["computed"] else "reused",
        reason=f"model {version} answered",
        counts={f"files_{name}": count for name, count in sorted(counts.items())},
    )

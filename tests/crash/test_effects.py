"""Every workflow, with a fault at every effect: whatever happens, running again ends as if nothing had happened."""

import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.crash.harness import Harness, Scenario
from tests.crash.scenarios.articles import Articles
from tests.crash.scenarios.audience import Audience
from tests.crash.scenarios.ratings import Ratings
from tests.crash.scenarios.songs import Songs

SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "songs": Songs,
    "audience": Audience,
    "articles": Articles,
    "ratings": Ratings,
}
SHARDS = 2
"""Parts of the cases of a workflow, for as many processes."""

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("workflow", SCENARIOS)
def test_a_fault_at_any_effect_leaves_no_trace(workflow, shard, tmp_path, record_property):
    began = time.monotonic()
    harness = Harness(SCENARIOS[workflow](), tmp_path)
    harness.record()
    cases = list(harness.cases())
    found = {str(case): problem for case in cases[shard::SHARDS] if (problem := harness.try_case(case))}
    doors = Counter(effect.split()[0] for effects in harness.effects.values() for effect in effects)
    record_property(
        "cases",
        f"{workflow} {shard + 1}/{SHARDS}: {len(cases[shard::SHARDS])} of {len(cases)} cases, "
        f"{sum(doors.values())} effects ({', '.join(f'{door} {n}' for door, n in sorted(doors.items()))}), "
        f"{time.monotonic() - began:.0f} s",
    )
    assert not found, "\n".join(f"{case}\n    {problem}" for case, problem in found.items())

"""The connection to PostgreSQL is cut at every message, also between a COMMIT and its answer."""

import pytest

from include.articles import figures
from tests.crash.deep.proxy import CuttingProxy
from tests.include.articles.runner import STEPS, Runner

pytestmark = [pytest.mark.crash_deep, pytest.mark.timeout(1_800)]

WITH_DATABASE = ("create_model", "scrape_metadata", "save_defaults", "save_predictions", "clean_up")
BOTH = ("popularity", "article")


def served(runner: Runner) -> dict[str, list]:
    return {kind: runner.served(kind).to_numpy().tolist() for kind in BOTH}


@pytest.mark.parametrize("answered", [False, True], ids=["instead of the message", "instead of its answer"])
@pytest.mark.parametrize("step", WITH_DATABASE)
def test_a_cut_connection_leaves_no_trace(step, answered, tmp_path, postgres, monkeypatch):
    monkeypatch.setattr(figures, "of_run", lambda *_: {})
    runner = Runner(tmp_path, postgres)
    plan = runner.plan()
    runner.run(plan, STEPS[:9])
    expected, models = served(runner), runner.models()
    server = postgres.host or "127.0.0.1", postgres.port or 5432

    def run_again(at: int) -> int:
        """Run the step of a run of its own with a cut, then again without; return the number of messages."""
        plan = runner.plan(f"{step}-{at}")
        runner.url = postgres
        runner.run(plan, STEPS[: STEPS.index(step)])
        proxy = CuttingProxy(server, at, answered=answered)
        runner.url = postgres.set(
            host="127.0.0.1", port=proxy.port, query={"sslmode": "disable", "gssencmode": "disable"}
        )
        try:
            runner.run(plan, [step])
        except Exception:
            assert at, "nothing was cut"
        finally:
            proxy.close()
            runner.url = postgres
        assert served(runner) == expected  # whatever has become of it, readers see whole lists
        runner.run(plan, STEPS[STEPS.index(step) : 9])
        assert served(runner) == expected
        found = {kind: status for (run, kind), status in runner.models().items() if run == plan.run_id}
        assert found == {kind: "current" for kind in BOTH}
        return proxy.messages

    messages = run_again(0)
    assert messages > 2
    for at in range(1, messages + 1):
        run_again(at)
    assert len(models) == len(BOTH)

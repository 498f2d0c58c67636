"""The DAGs of sites, one of which is not valid."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

FILE = Path(__file__).resolve().parents[2] / "dags" / "article_recs.py"
LAKE = "lake: {kind: wordpress, domain: lake.example, path_pattern: '/(?P<slug>.+)', enabled: true}\n"
WCP, LAKES, RIVERS = (f"article_recs__{name}" for name in ("washington_city_paper", "lake", "river"))


@pytest.mark.parametrize(
    "river",
    [
        "{kind: wordpress, domain: river.example, path_pattern: '('}",
        "{kind: washington_city_paper, domain: river.example, schedul: never}",
        "[",
        "no",
        "{enabled: true, parameters: {days_of_data: 0}, run_timeout_minutes: soon, schedule: 5}",
    ],
)
def test_a_site_that_is_not_valid_costs_only_its_own_runs(home, river):
    (home / "sites.yaml").write_text(f"river: {river}\n{LAKE}")
    bag = DagBag(str(FILE))
    assert bag.import_errors == {}
    assert bag.dags.keys() == {WCP, LAKES, RIVERS}
    assert "# Not valid" in (bag.dags[RIVERS].doc_md or "")
    assert "sites.yaml, site river" in (bag.dags[RIVERS].doc_md or "")
    assert bag.dags[RIVERS].task_ids == bag.dags[LAKES].task_ids
    assert "Not valid" not in (bag.dags[LAKES].doc_md or "")

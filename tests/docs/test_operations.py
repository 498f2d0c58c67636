"""The operations page: it covers each DAG's deadline and what to do when it fails."""

import pytest

from include.core.settings import ROOT
from include.workflows import metrics
from tests.dags.test_dags import DAGS

PAGE = (ROOT / "docs" / "operations.md").read_text()
_, ALERTS, DUTIES = PAGE.replace("## What to do when", "## Alerts").split("## Alerts")


@pytest.mark.parametrize("dag_id", [name.replace("washington_city_paper", "<site>") for name in DAGS])
def test_every_dag_is_on_the_page(dag_id):
    assert f"`{dag_id}`" in ALERTS
    assert f"**`{dag_id}` failed" in DUTIES


def test_every_metric_is_on_the_page_of_metrics():
    lines = (ROOT / "docs" / "metrics.md").read_text().splitlines()
    listed = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert listed == list(metrics())

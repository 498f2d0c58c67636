"""Result schemas with tables of the system before, and of other systems."""

from collections.abc import Iterator

import pytest
from sqlalchemy import inspect, text

from include.audience.results import tables
from include.audience.results.adoption import ResultTableError
from include.core.database.engine import open_engine
from tests.support.labeling import DCARD, Lab, post
from tests.support.old_results import OLD_ROW, OLD_STATE

OLD = "a" * 32
POSTS = (post("a", "Lily", "00:00:00"), post("b", "Mark", "01:00:00", DCARD), post("c", "guest", "07:00:00"))


@pytest.fixture
def old(lab: Lab) -> Iterator[Lab]:
    """Yield a lab without tables of ours; whatever the test makes is dropped."""
    lab.load(*POSTS)
    expected = lab.run("1").content
    lab.forget(tables=True)
    yield lab
    assert lab.run("1").content == expected
    lab.forget(tables=True)


def execute(lab: Lab, *statements: str) -> None:
    with lab.connected(lab.result_url) as connection:
        for statement in statements:
            connection.execute(text(statement))


def columns(lab: Lab, name: str) -> set[str]:
    with open_engine(lab.result_url) as engine:
        return {column["name"] for column in inspect(engine).get_columns(name)}


@pytest.mark.parametrize("key", ["", ", PRIMARY KEY (task_id)"])
def test_the_old_table_of_tasks_is_used_with_its_rows(old, key):
    execute(old, OLD_STATE.format(key=key), OLD_ROW.format(id=OLD))
    assert old.run("2", times=2).state["length_prod_table"] == "1,1,1"  # once, though it was opened twice
    with old.connected(old.result_url) as connection:
        rows = connection.execute(text("SELECT task_id, result, inserted FROM state ORDER BY inserted")).all()
    assert tuple(rows[0]) == (OLD, "fbfans", 0)
    assert len(rows) == 2


def test_a_table_of_an_earlier_version_gets_its_new_column(old):
    with open_engine(old.result_url) as engine:
        tables.ensure(engine, [tables.PROGRESS])
    execute(old, "ALTER TABLE label_progress DROP COLUMN oddities")
    old.run("2")
    assert "oddities" in columns(old, "label_progress")


def test_our_own_tables_are_not_changed(old, caplog):
    old.run("2")
    before = columns(old, "state")
    caplog.clear()
    old.run("3")
    assert "adopted" not in caplog.text
    assert columns(old, "state") == before


def test_a_table_of_another_system_is_named(old):
    execute(old, "CREATE TABLE state (id INT, name VARCHAR(9))")
    with pytest.raises(ResultTableError, match="the table state is another one, without the columns task_id, stat, "):
        old.pipeline("2").open_task()
    assert columns(old, "state") == {"id", "name"}
    execute(old, "DROP TABLE state")


def test_repeated_ids_are_named_and_kept(old):
    execute(old, OLD_STATE.format(key=""), OLD_ROW.format(id=OLD), OLD_ROW.format(id=OLD))
    with pytest.raises(ResultTableError, match=r"the table of state.task_id is of an earlier system.*UNIQUE INDEX"):
        old.pipeline("2").open_task()
    execute(old, "DROP TABLE state")

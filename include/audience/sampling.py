"""Random samples of the rows of a task."""

from collections import Counter
from typing import Any

from sqlalchemy import Engine, Table, func, select


def sample(engine: Engine, table: Table, task_id: str, size: int) -> list[dict[str, Any]]:
    """
    Draw rows of a task at random, each set of them equally likely.

    Entries of the index over (`task_id`, `create_time`) are drawn first, a fraction of the work of drawing rows with
    their texts. They say how many rows of which second are wanted; which ones is drawn among the ids of that second.

    Args:
        engine: the result schema.
        table: a table of labelled rows.
        task_id: the task.
        size: rows of the sample, from 1.

    Returns:
        *size* rows, or all when the task has fewer, ordered by `create_time`, `id`.
    """
    shuffle = func.random() if engine.dialect.name == "sqlite" else func.rand()
    own, time = table.c.task_id == task_id, table.c.create_time
    place = func.row_number().over(partition_by=time, order_by=shuffle).label("place")
    with engine.connect() as connection:
        wanted = Counter(connection.scalars(select(time).where(own).order_by(shuffle).limit(size)))
        ranked = select(time, table.c.id, place).where(own, time.in_(wanted)).subquery()
        few = select(ranked).where(ranked.c.place <= max(wanted.values(), default=0))
        # an id that the source has twice in a second counts twice
        drawn = Counter((time, id_) for time, id_, place in connection.execute(few) if place <= wanted[time])
        chosen = select(table).where(own, time.in_(wanted), table.c.id.in_({id_ for _, id_ in drawn}))
        rows = []
        for row in connection.execute(chosen):
            key = (row.create_time, row.id)
            if drawn[key]:
                drawn[key] -= 1
                rows.append(dict(row._mapping))
    return sorted(rows, key=lambda row: (row["create_time"], row["id"]))

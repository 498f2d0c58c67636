"""Random samples of the rows of a task."""

from collections import Counter
from typing import Any

from sqlalchemy import Engine, Table, func, select


def sample(engine: Engine, table: Table, task_id: str, size: int) -> list[dict[str, Any]]:
    """
    Draw a uniform random sample of the rows of a task.

    Entries of the index on (`task_id`, `create_time`) are drawn first, which costs a fraction of drawing rows with
    their texts. They determine the number of rows per second; the rows are then drawn from the ids of that second.

    Args:
        engine: engine of the result schema.
        table: table of labelled rows.
        task_id: id of the task.
        size: rows of the sample, 1 or more.

    Returns:
        *size* rows, or all rows of a task with fewer, ordered by `create_time`, `id`.
    """
    shuffle = func.random() if engine.dialect.name == "sqlite" else func.rand()
    own, time = table.c.task_id == task_id, table.c.create_time
    place = func.row_number().over(partition_by=time, order_by=shuffle).label("place")
    with engine.connect() as connection:
        wanted = Counter(connection.scalars(select(time).where(own).order_by(shuffle).limit(size)))
        ranked = select(time, table.c.id, place).where(own, time.in_(wanted)).subquery()
        few = select(ranked).where(ranked.c.place <= max(wanted.values(), default=0))
        # an id that occurs twice in a second counts twice
        drawn = Counter((time, id_) for time, id_, place in connection.execute(few) if place <= wanted[time])
        chosen = select(table).where(own, time.in_(wanted), table.c.id.in_({id_ for _, id_ in drawn}))
        rows = []
        for row in connection.execute(chosen):
            key = (row.create_time, row.id)
            if drawn[key]:
                drawn[key] -= 1
                rows.append(dict(row._mapping))
    return sorted(rows, key=lambda row: (row["create_time"], row["id"]))

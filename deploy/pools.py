"""The pools that keep one kind of task from taking all slots."""

POOLS = {
    "ratings_selection": (2, False, "model selection: fits of eleven algorithms, about one core each"),
    "audience_schemas": (3, True, "labeling of a list of schemas: so many at a time, waiting ones included"),
}
"""Name → slots, whether a task that has given its worker back still holds its slot, what it is for."""

"""What the demo prints at its end."""

from dataclasses import dataclass

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Produced:
    """One result of a workflow."""

    workflow: str
    what: str
    where: str
    """Path below the platform's storage."""
    seconds: float
    """From the call to the checked result."""
    look: str
    """Path of the address to look at."""
    picture: RenderableType | None = None
    """What to show below the table."""


def show(console: Console, url: str, results: list[Produced]) -> None:
    """Print the table, then the pictures."""
    table = Table(title="What the workflows produced", title_justify="left", title_style="bold", box=box.ROUNDED)
    table.add_column("workflow")
    table.add_column("produced, where it lies below the storage, where to look", overflow="fold")
    table.add_column("seconds", justify="right")
    for each in results:
        lines = f"{escape(each.what)}\n[dim]{escape(each.where)}[/dim]\n[cyan]{escape(url + each.look)}[/cyan]"
        table.add_row(each.workflow, lines, f"{each.seconds:.1f}", end_section=True)
    console.print(table)
    for each in results:
        if each.picture is not None:
            console.print(each.picture)

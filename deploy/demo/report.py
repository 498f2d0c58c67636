"""The table of results that the demo prints."""

from dataclasses import dataclass

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Result:
    """A result of a workflow."""

    workflow: str
    summary: str
    path: str
    """Path below the platform's storage."""
    seconds: float
    """Time from the call to the checked result."""
    url_path: str
    """Path of the address that shows the result."""
    picture: RenderableType | None = None
    """Further output, below the table."""


def show(console: Console, url: str, results: list[Result]) -> None:
    """Print the table, then the pictures."""
    table = Table(title="Results of the workflows", title_justify="left", title_style="bold", box=box.ROUNDED)
    table.add_column("workflow")
    table.add_column("result, its path in the storage, its address", overflow="fold")
    table.add_column("seconds", justify="right")
    for each in results:
        lines = f"{escape(each.summary)}\n[dim]{escape(each.path)}[/dim]\n[cyan]{escape(url + each.url_path)}[/cyan]"
        table.add_row(each.workflow, lines, f"{each.seconds:.1f}", end_section=True)
    console.print(table)
    for each in results:
        if each.picture is not None:
            console.print(each.picture)

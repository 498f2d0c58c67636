"""Progress output: a line that is updated on a terminal, a line for each change elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from deploy.embedded.cluster import DATABASE
from deploy.embedded.instance import COMPONENTS
from deploy.embedded.readiness import Readiness


class Progress:
    """Shows what a command is waiting for."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status = Status("", console=console) if console.is_terminal else None
        self.last = ""

    def __enter__(self) -> "Progress":
        if self.status:
            self.status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status:
            self.status.stop()

    def update(self, text: str) -> None:
        """Show *text*, unless it was the last text shown."""
        if text == self.last:
            return
        self.last = text
        if self.status:
            self.status.update(escape(text))
        else:
            self.console.print(text, highlight=False)

    def show(self, found: Readiness) -> None:
        """Show which components are ready and what is missing."""
        ready = [name for name in (DATABASE, *COMPONENTS) if name not in found.waiting_for]
        missing = [name for name in found.waiting_for if name not in ready]
        if missing:
            self.update(f"ready: {', '.join(ready) or 'none'}; waiting for {', '.join(missing)}")

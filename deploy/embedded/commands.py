"""What `make up`, `make down` and `make status` do."""

import time
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.embedded import database, keys, pools, port, processes, readiness, record
from deploy.embedded.environment import component_environment
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.instance import Instance
from deploy.embedded.progress import Progress
from deploy.embedded.supervision import Component, Supervisor


def up(instance: Instance, console: Console) -> None:
    """
    Start the platform and wait until it is ready; do nothing if it is.

    Raises:
        EmbeddedError: it could not be started; then nothing of it runs.
    """
    began = time.monotonic()
    supervisor = Supervisor(instance)
    with instance.lock(lambda: console.print("waiting for another make up or make down of this home")):
        if supervisor.pid() is not None:
            _join(instance, supervisor, console)
            return
        _clear(instance, console)
        port.require_free(instance.port)
        environment = component_environment(instance, keys.load_or_create(instance.home))
        with Progress(console) as progress:
            try:
                if names := database.outdated(instance):
                    progress.say(f"preparing the database of {' and '.join(names)}")
                    database.prepare(instance, names, environment)
                (instance.run / "airflow.cfg").write_text("# the settings come from the environment\n")
                since = datetime.now(UTC)
                supervisor.start(environment)
                record.write(instance, since)
                progress.say("starting")
                found = readiness.wait(instance, supervisor, since, progress.show)
                with readiness.client(instance) as http:
                    pools.ensure(http)
            except BaseException:
                progress.say("stopping what was started")
                _stop(instance, supervisor)
                raise
        _warn(found, console)
        console.print(f"Quartet is up after {time.monotonic() - began:.0f} s: [bold]{instance.url}[/bold]")
        console.print(_next_commands(instance), highlight=False)


def down(instance: Instance, console: Console) -> None:
    """
    Stop everything that `up` started; the data stay.

    Raises:
        EmbeddedError: a process would not go.
    """
    supervisor = Supervisor(instance)
    if not instance.home.exists():
        console.print(f"nothing runs: there is no {escape(str(instance.home))}")
        return
    with instance.lock(lambda: console.print("waiting for another make up or make down of this home")):
        runs = supervisor.pid() is not None
        if not runs and not processes.marked(instance.mark):
            _forget(instance)
            console.print("nothing runs")
            return
        with Progress(console) as progress:
            progress.say("stopping")
            left_behind = _stop(instance, supervisor)
        if not runs:
            console.print(f"ended {left_behind} processes left by an earlier run")
        console.print(f"Quartet is down; its data stay in {escape(str(instance.home))}", highlight=False)


def status(instance: Instance, console: Console) -> bool:
    """Print a table of the components; return False if it runs but not all is well."""
    supervisor = Supervisor(instance)
    if supervisor.pid() is None:
        console.print(f"nothing runs: make up\nhome     {escape(str(instance.home))}", highlight=False)
        return True
    instance = record.running(instance)
    table = Table(box=None, pad_edge=False)
    for heading in ("component", "state", "pid", "up", "restarts", "health"):
        table.add_column(heading, justify="right" if heading in ("pid", "up", "restarts") else "left")
    with readiness.client(instance) as http:
        sick = readiness.look(instance, http, datetime.min.replace(tzinfo=UTC)).waiting_for
    restarts = supervisor.restarts()
    for each in supervisor.components():
        health = "healthy" if each.running and each.name not in sick else "not healthy"
        table.add_row(each.name, each.state.lower(), str(each.pid or "-"), _age(each), str(restarts[each.name]), health)
    console.print(table)
    console.print(f"address  {instance.url}\nhome     {escape(str(instance.home))}", highlight=False)
    return not sick


def _join(instance: Instance, supervisor: Supervisor, console: Console) -> None:
    """Tell that the platform runs; wait if it is still starting; start what has been given up."""
    running = record.running(instance)
    if running.port != instance.port:
        raise EmbeddedError(
            f"this home is up on port {running.port}; to move it to {instance.port}: make down, then "
            f"QUARTET_PORT={instance.port} make up. For a second platform set QUARTET_HOME too"
        )
    if revived := supervisor.revive():
        console.print(f"started again: {', '.join(revived)}")
    with readiness.client(instance) as http:
        found = readiness.look(instance, http, datetime.min.replace(tzinfo=UTC))
        if found.waiting_for:
            since = datetime.now(UTC) if revived else record.started(instance)
            with Progress(console) as progress:
                found = readiness.wait(instance, supervisor, since, progress.show)
        pools.ensure(http)
    _warn(found, console)
    if changed := record.changed(instance):
        console.print(f"[yellow]changed since it started, taken at the next start:[/yellow] {', '.join(changed)}")
    console.print(f"Quartet is already up: [bold]{instance.url}[/bold]")


def _clear(instance: Instance, console: Console) -> None:
    """End what a supervisord that was killed has left behind."""
    try:
        if ended := processes.sweep(instance.mark):
            console.print(f"ended {ended} processes left by an earlier run that was not stopped by make down")
    except TimeoutError as error:
        raise EmbeddedError(str(error)) from None
    _forget(instance)


def _stop(instance: Instance, supervisor: Supervisor) -> int:
    """Stop supervisord and its components, end what is left, count it."""
    supervisor.stop()
    try:
        left = processes.sweep(instance.mark)
    except TimeoutError as error:
        raise EmbeddedError(str(error)) from None
    _forget(instance)
    return left


def _forget(instance: Instance) -> None:
    instance.socket.unlink(missing_ok=True)
    (instance.run / "supervisord.pid").unlink(missing_ok=True)
    record.remove(instance)


def _warn(found: readiness.Readiness, console: Console) -> None:
    for name, reason in found.import_errors.items():
        console.print(f"[red]dags/{escape(name)} cannot be imported:[/red] {escape(reason)}")


def _next_commands(instance: Instance) -> str:
    return f"  logs    {escape(str(instance.logs))}\n  status  make status\n  models  make mlflow\n  stop    make down"


def _age(component: Component) -> str:
    if not component.running:
        return "-"
    seconds = int(max(0, time.time() - component.since))
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"

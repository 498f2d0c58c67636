"""The commands `make up`, `make down` and `make status`."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.embedded import database, keys, pools, port, processes, readiness, record
from deploy.embedded.cluster import DATABASE
from deploy.embedded.environment import component_environment
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.instance import Instance
from deploy.embedded.progress import Progress
from deploy.embedded.readiness import MAX_DEATHS
from deploy.embedded.supervision import Component, Supervisor


def up(instance: Instance, console: Console) -> None:
    """
    Start the platform and wait until it is ready; do nothing if it is up already.

    Raises:
        EmbeddedError: the platform could not be started; whatever had been started was stopped again.
    """
    began = time.monotonic()
    supervisor = Supervisor(instance)
    with instance.lock(lambda: console.print("waiting for another make up or make down to finish")):
        if supervisor.pid() is not None:
            _join(instance, supervisor, console)
            return
        _end_leftovers(instance, console)
        _forget(instance)
        port.require_free(instance.port)
        environment = component_environment(instance, keys.load_or_create(instance.home))
        with Progress(console) as progress:
            try:
                if instance.cluster:
                    instance.cluster.create()
                (instance.run / "airflow.cfg").write_text("# all settings come from the environment\n")
                since = datetime.now(UTC)
                supervisor.start(environment)
                record.write(instance, since)
                _start_airflow(instance, supervisor, environment, progress)
                progress.update("starting")
                found = readiness.wait(instance, supervisor, since, progress.show)
                with readiness.client(instance) as http:
                    pools.ensure(http)
            except BaseException:
                progress.update("startup failed, stopping")
                _stop(instance, supervisor)
                raise
        _warn(found, console)
        console.print(f"Quartet is up after {time.monotonic() - began:.0f} s: [bold]{instance.url}[/bold]")
        console.print(_next_commands(instance), highlight=False)


def down(instance: Instance, console: Console) -> None:
    """
    Stop everything that `up` started; the data is kept.

    Raises:
        EmbeddedError: a process did not exit.
    """
    supervisor = Supervisor(instance)
    if not instance.home.exists():
        console.print(f"nothing is running: {escape(str(instance.home))} does not exist")
        return
    with instance.lock(lambda: console.print("waiting for another make up or make down to finish")):
        runs = supervisor.pid() is not None
        if not runs and not processes.marked(instance.mark):
            _forget(instance)
            console.print("nothing is running")
            return
        with Progress(console) as progress:
            progress.update("stopping")
            left_behind = _stop(instance, supervisor)
        if not runs:
            console.print(f"ended {left_behind} processes left over from an earlier start")
        console.print(f"Quartet is down; its data is kept in {escape(str(instance.home))}", highlight=False)


def status(instance: Instance, console: Console) -> bool:
    """Print a table of the components; return False if the platform is running, even in part, but not healthy."""
    supervisor = Supervisor(instance)
    if supervisor.pid() is None and (orphans := processes.marked(instance.mark)):
        console.print(
            f"supervisord has died, and {len(orphans)} of its processes are left; make up ends them and starts the "
            f"platform again\nlog      {escape(str(instance.logs / 'supervisord.log'))}",
            highlight=False,
        )
        return False
    if supervisor.pid() is None:
        console.print(
            f"nothing is running; start the platform with make up\nhome     {escape(str(instance.home))}",
            highlight=False,
        )
        return True
    instance = record.running(instance)
    table = Table(box=None, pad_edge=False)
    for heading in ("component", "state", "pid", "up", "restarts", "health"):
        table.add_column(heading, justify="right" if heading in ("pid", "up", "restarts") else "left")
    with readiness.client(instance) as http:
        unhealthy = readiness.check(instance, http, datetime.min.replace(tzinfo=UTC)).waiting_for
    restarts = supervisor.restarts()
    for each in supervisor.components():
        health = "healthy" if each.running and each.name not in unhealthy else "unhealthy"
        table.add_row(each.name, each.state.lower(), str(each.pid or "-"), _age(each), str(restarts[each.name]), health)
    console.print(table)
    console.print(f"address  {instance.url}\nhome     {escape(str(instance.home))}", highlight=False)
    return not unhealthy


def variables(instance: Instance) -> dict[str, str]:
    """
    Return the environment of Airflow's own commands.

    Raises:
        EmbeddedError: the platform is down, so that Airflow's database cannot be reached.
    """
    if not instance.home.exists() or (instance.cluster and not instance.cluster.answers()):
        raise EmbeddedError("Airflow's database is down. Start the platform with make up")
    return component_environment(record.running(instance), keys.load_or_create(instance.home))


def _start_airflow(
    instance: Instance, supervisor: Supervisor, environment: Mapping[str, str], progress: Progress
) -> None:
    """Wait for the database, create or migrate what is in it, and start Airflow's components."""
    if instance.cluster:
        instance.cluster.wait(instance.logs / f"{DATABASE}.log", lambda: supervisor.restarts()[DATABASE] >= MAX_DEATHS)
    if names := database.outdated(instance):
        progress.update(f"preparing the database of {' and '.join(names)}")
        database.prepare(instance, names, environment)
    for path in database.put_aside(instance):
        note = f"the content of a SQLite file has been copied into PostgreSQL; the file is kept as {path}"
        progress.console.print(escape(note), highlight=False)
    supervisor.start_airflow()


def _join(instance: Instance, supervisor: Supervisor, console: Console) -> None:
    """Report that the platform is up: restart components that supervisord gave up, and wait if it is still starting."""
    running = record.running(instance)
    if running.port != instance.port:
        raise EmbeddedError(
            f"the platform of this home is up on port {running.port}. To move it to {instance.port}, run make down and "
            f"then QUARTET_PORT={instance.port} make up. To start a second platform, set QUARTET_HOME as well"
        )
    if not supervisor.airflow_runs():  # an earlier make up was killed
        _end_leftovers(instance, console, database.COMPONENT)
        supervisor.revive(DATABASE)
        environment = component_environment(instance, keys.load_or_create(instance.home))
        with Progress(console) as progress:
            _start_airflow(instance, supervisor, environment, progress)
    if revived := supervisor.revive(*instance.components):
        console.print(f"restarted: {', '.join(revived)}")
    with readiness.client(instance) as http:
        found = readiness.check(instance, http, datetime.min.replace(tzinfo=UTC))
        if found.waiting_for:
            since = datetime.now(UTC) if revived else record.started(instance)
            with Progress(console) as progress:
                found = readiness.wait(instance, supervisor, since, progress.show)
        pools.ensure(http)
    _warn(found, console)
    if changed := record.changed(instance):
        console.print(
            f"[yellow]settings changed since the start, effective at the next one:[/yellow] {', '.join(changed)}"
        )
    console.print(f"Quartet is already up: [bold]{instance.url}[/bold]")


def _end_leftovers(instance: Instance, console: Console, component: str | None = None) -> None:
    """End the processes that a killed supervisord has left behind, or those of one component that make up has left."""
    try:
        if ended := processes.sweep(instance.mark, component):
            console.print(f"ended {ended} processes left over from an earlier start that make down did not stop")
    except TimeoutError as error:
        raise EmbeddedError(str(error)) from None


def _stop(instance: Instance, supervisor: Supervisor) -> int:
    """Stop supervisord and its components, end the processes that are left, and return their number."""
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
    return (
        f"  logs    {escape(str(instance.logs))}\n  status  make status\n  models  make mlflow\n"
        '  shell   eval "$(make env-shell)", then airflow dags list\n  stop    make down'
    )


def _age(component: Component) -> str:
    if not component.running:
        return "-"
    seconds = int(max(0, time.time() - component.since))
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"

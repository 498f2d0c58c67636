"""Commands of the embedded mode: `python -m deploy.embedded up|down|status|mlflow|demo|env|airflow …`."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from rich.console import Console

from deploy import settings
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.instance import Instance
from include.core.errors import BadDataError, SettingsError
from include.core.settings import PlatformSettings

COMMANDS = {
    "up": "start the platform and wait until it is ready",
    "down": "stop the platform; its data is kept",
    "status": "show the state of its components",
    "mlflow": "serve MLflow's web UI",
    "demo": "start the platform and run every workflow once",
    "env": "print the variables that let plain Airflow commands reach this platform, for a shell",
    "airflow": "run Airflow's own command line against this platform, such as airflow dags list",
}


def main(arguments: list[str] | None = None) -> int:
    """
    Run one command.

    Returns:
        0 on success, 1 on failure, 2 for an invalid setting, 130 if interrupted.
    """
    parser = argparse.ArgumentParser(prog="python -m deploy.embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text, add_help=name != "airflow")
    parsed, rest = parser.parse_known_args(arguments)
    command = parsed.command
    if rest and command != "airflow":
        parser.error(f"{command} takes no arguments, found {' '.join(rest)}")
    console = Console(soft_wrap=True)
    stderr = Console(stderr=True, soft_wrap=True)
    try:
        if command in ("up", "demo"):  # an invalid setting must not prevent anybody from stopping the platform
            settings.check()
        return run(command, PlatformSettings.load(), console, rest)
    except SettingsError as error:
        stderr.print(f"invalid setting: {error}", style="red", markup=False, highlight=False)
        return 2
    except (EmbeddedError, BadDataError) as error:
        stderr.print(str(error), style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        stderr.print("interrupted")
        return 130


def run(command: str, platform: PlatformSettings, console: Console, rest: Sequence[str] = ()) -> int:
    """Run *command* with checked settings; *rest* holds the arguments of Airflow's own command line."""
    from deploy.embedded import commands

    instance = Instance.from_settings(platform)
    match command:
        case "up":
            commands.up(instance, console)
        case "down":
            commands.down(instance, console)
        case "status":
            return 0 if commands.status(instance, console) else 1
        case "mlflow":
            from deploy.embedded import mlflow_server

            mlflow_server.serve(instance, platform.mlflow_port, console)
        case "demo":
            from deploy.demo.articles import gazette
            from deploy.demo.audience import posts
            from deploy.demo.ratings import base

            base.provide(console)
            posts.provide(console)
            gazette.provide(console)
            commands.up(instance, console)
            os.execv(sys.executable, [sys.executable, "-m", "deploy.demo"])
        case "env":
            for name, value in commands.variables(instance).items():
                if os.environ.get(name) != value:
                    sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        case "airflow":
            line = [sys.executable, "-P", "-m", "airflow", *rest]
            os.execve(line[0], line, commands.variables(instance))
    return 0


if __name__ == "__main__":
    sys.exit(main())

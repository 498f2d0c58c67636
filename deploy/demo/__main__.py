"""`python -m deploy.demo`: run every workflow once on a running platform and check the results."""

import sys
from importlib import import_module

import httpx
from rich.console import Console

from deploy.demo.client import DemoError, Platform
from deploy.demo.report import show
from include.core.settings import PlatformSettings
from include.workflows import WORKFLOWS


def main() -> int:
    """Run the demo; return 0 if every result is as expected."""
    console, stderr = Console(), Console(stderr=True, soft_wrap=True)
    platform = Platform(f"http://127.0.0.1:{PlatformSettings.load().port}")
    results = []
    try:
        with console.status("starting") as status:
            for workflow in WORKFLOWS:
                run = import_module(f"deploy.demo.{workflow.name}").run
                results += run(platform, lambda text: status.update(text))
    except (DemoError, httpx.HTTPError) as error:
        stderr.print(f"the demo failed: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    show(console, platform.public_url, results)
    commands = "" if platform.is_remote else "; MLflow: make mlflow; stop: make down"
    console.print(f"Airflow: [bold]{platform.public_url}[/bold]{commands}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

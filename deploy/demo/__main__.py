"""`python -m deploy.demo`: run every workflow once against a running platform and check what comes out."""

import sys
from importlib import import_module

import httpx
from rich.console import Console

from deploy.demo.client import DemoError, Platform
from deploy.demo.report import show
from include.core.settings import PlatformSettings
from include.workflows import WORKFLOWS


def main() -> int:
    """Run the demo; 0 if every result was checked and is right."""
    console, complain = Console(), Console(stderr=True, soft_wrap=True)
    platform = Platform(f"http://127.0.0.1:{PlatformSettings.load().port}")
    results = []
    try:
        with console.status("starting") as status:
            for workflow in WORKFLOWS:
                run = import_module(f"deploy.demo.{workflow.name}").run
                results += run(platform, lambda text: status.update(text))
    except (DemoError, httpx.HTTPError) as error:
        complain.print(f"the demo failed: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    show(console, platform.public_url, results)
    manage = "" if platform.is_elsewhere else "; the models: make mlflow; stop: make down"
    console.print(f"Airflow is at [bold]{platform.public_url}[/bold]{manage}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

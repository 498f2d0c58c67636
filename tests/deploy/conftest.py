"""An instance in the test's own folder."""

from pathlib import Path

import pytest

from deploy.embedded.instance import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """Return an instance whose home exists; nothing is running."""
    home = tmp_path / "home"
    instance = Instance(home, 18_080, f"file://{home}/data", f"sqlite:///{home}/mlflow.db")
    instance.make_folders()
    return instance

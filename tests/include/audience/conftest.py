"""Labs on SQLite and on MariaDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, text

from include.audience.settings import AudienceSettings
from tests.support.labeling import Lab
from tests.support.services import MARIADB, fresh_database


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[URL | None]:
    """Yield the address of a result schema on MariaDB that has a source schema beside it; `None` means SQLite."""
    if request.param == "sqlite":
        yield None
        return
    with pytest.MonkeyPatch.context() as patch, contextmanager(fresh_database)(MARIADB) as url:
        patch.setattr("ssl.SSLContext.load_default_certs", lambda *_: None)  # slow, and useless without a certificate
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {url.database}_source"))
                yield url
                connection.execute(text(f"DROP DATABASE {url.database}_source"))
        finally:
            engine.dispose()


@pytest.fixture
def lab(server: URL | None, tmp_path: Path) -> Lab:
    """Return a lab with rules for names and an empty source table."""
    settings: dict[str, Any] = {"data_dir": str(tmp_path / "data"), "rules_dir": tmp_path / "rules"}
    if server is not None:
        settings |= {"output_schema": server.database, "input_schema": f"{server.database}_source"}
        for side in ("input", "output"):
            settings |= {
                f"{side}_host": server.host,
                f"{side}_port": server.port or 3306,
                f"{side}_user": server.username or "",
                f"{side}_password": server.password or "",
            }
    made = Lab(AudienceSettings(**settings), tmp_path / "storage")
    made.rules()
    made.load()
    made.forget()
    return made

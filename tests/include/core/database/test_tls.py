"""Encrypted connections to a MariaDB server, with both drivers."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, select, text

from include.audience.settings import AudienceSettings
from include.core.database.bulk import stream
from include.core.database.engine import open_engine
from include.core.database.errors import DatabaseRefusedError, classify_errors
from include.core.database.mariadb import with_authority
from tests.support.tls_server import Authority, make_authority, running, write_certificate

CIPHER = "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'ssl_cipher'"


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return the authority that has signed the server's certificate."""
    return make_authority("ours")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[URL]:
    """Yield the address of a server that demands encryption."""
    folder = tmp_path_factory.mktemp("tls", numbered=True)
    with running(folder, *write_certificate(folder, authority, "127.0.0.1")) as url:
        yield url.set(database="information_schema")


def ciphers(url: URL) -> tuple[str, str]:
    """Return what a connection of PyMySQL, and one of asyncmy, is encrypted with."""
    with classify_errors(), open_engine(url, read_only=True) as engine:
        with engine.connect() as connection:
            first = connection.execute(text(CIPHER)).scalar_one()
        columns = select(text("variable_value")).select_from(text("information_schema.session_status"))
        [[row]] = stream(engine, columns.where(text("variable_name = 'ssl_cipher'")), 9)
    return first, row[0]


def test_a_server_that_demands_encryption_is_used_without_a_setting(server):
    assert all(ciphers(server))


def test_a_known_certificate_is_accepted(server, authority, tmp_path):
    assert all(ciphers(with_authority(server, str(authority.write(tmp_path / "ca.pem")))))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_of_others_or_for_another_host_is_refused(server, authority, tmp_path, host):
    signer = make_authority("theirs") if host == "127.0.0.1" else authority
    url = with_authority(server.set(host=host), str(signer.write(tmp_path / "ca.pem")))
    with pytest.raises(DatabaseRefusedError, match=r"the server's certificate is not trusted: .*certificate verify"):
        ciphers(url)


def test_a_server_without_encryption_is_refused_only_if_its_certificate_is_wanted(mariadb, authority, tmp_path):
    if any(ciphers(mariadb)):
        pytest.skip("the server offers TLS")
    with pytest.raises(DatabaseRefusedError, match=r"an encrypted connection is not possible: .*doesn't support"):
        ciphers(with_authority(mariadb, str(authority.write(tmp_path / "ca.pem"))))


def test_settings_name_the_file(authority, tmp_path, monkeypatch, server):
    file = authority.write(tmp_path / "ca.pem")
    for side in ("INPUT", "OUTPUT"):
        monkeypatch.setenv(f"{side}_HOST", "127.0.0.1")
        monkeypatch.setenv(f"{side}_PORT", str(server.port))
        monkeypatch.setenv(f"{side}_USER", "root")
        monkeypatch.setenv(f"{side}_SSL_CA", str(file))
    settings = AudienceSettings.load()
    settings.check()
    for url in (settings.source_url("information_schema"), settings.result_url("information_schema")):
        assert url.query["ssl_ca"] == str(file)
        assert all(ciphers(url))


def test_a_large_encrypted_result_comes_in_parts(server):
    numbers = select(text("seq"), text("REPEAT('x', 300)")).select_from(text("seq_1_to_50000"))
    with open_engine(server.set(database="mysql")) as engine:
        parts = list(stream(engine, numbers, 20_000))
        assert [len(part) for part in parts] == [20_000, 20_000, 10_000]
        assert sum(row[0] for part in parts for row in part) == 50_000 * 50_001 // 2
        unread = stream(engine, numbers, 10)
        assert len(next(unread)) == 10
        unread.close()

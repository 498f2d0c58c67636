"""A private MariaDB server that accepts encrypted connections only, with a certificate for 127.0.0.1."""

import ipaddress
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import URL

START_SECONDS = 60


@dataclass(frozen=True)
class Authority:
    """A certificate that signs others, and its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def write(self, file: Path) -> Path:
        """Write the certificate."""
        file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return file


def make_authority(name: str) -> Authority:
    """Build a certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(key, _signed(name, key, None, x509.BasicConstraints(ca=True, path_length=None)))


def write_certificate(folder: Path, authority: Authority, address: str) -> tuple[Path, Path]:
    """Write a certificate for an IP address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = Authority(key, _signed(address, key, authority, names)).write(folder / "server.pem")
    secret = folder / "server.key"
    form = serialization.PrivateFormat.TraditionalOpenSSL
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return certificate, secret


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, authority: Authority | None, extension: x509.ExtensionType
) -> x509.Certificate:
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.certificate.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=authority is None)
    )
    return builder.sign(authority.key if authority else key, hashes.SHA256())


@contextmanager
def running(folder: Path, certificate: Path, key: Path) -> Iterator[URL]:
    """Run a server with an empty data folder, whose user `root` has no password; yield its address."""
    if not shutil.which("mariadbd") or not shutil.which("mariadb-install-db"):
        pytest.skip("there is no mariadbd on this machine")
    data, log = folder / "data", folder / "log"
    me = [f"--user={os.environ.get('USER') or 'root'}"] if os.geteuid() == 0 else []
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", *me]
    subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True, timeout=60)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        f"--datadir={data}", f"--socket={folder}/socket", f"--pid-file={folder}/pid", f"--port={port}",
        "--bind-address=127.0.0.1", "--require-secure-transport=ON", f"--ssl-cert={certificate}", f"--ssl-key={key}",
        "--innodb-buffer-pool-size=16M", "--skip-log-bin", *me,
    ]  # fmt: skip
    with log.open("wb") as output:
        server = subprocess.Popen(["mariadbd", "--no-defaults", *options], stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield URL.create("mariadb+pymysql", "root", host="127.0.0.1", port=port)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

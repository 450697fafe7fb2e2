"""A certificate for relays of tests, made once."""

import ssl
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with key.pem and cert.pem, for relay.test."""
    path = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=relay.test"
    subprocess.run(
        [
            *command.split(),
            "-addext",
            "subjectAltName=DNS:relay.test",
            "-keyout",
            path / "key.pem",
            "-out",
            path / "cert.pem",
        ],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture(scope="session")
def relay_tls(certificate: Path) -> ssl.SSLContext:
    """What a relay needs to speak TLS from the first byte on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context

"""What TLS costs: the same relay with and without it, in the same run."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import figures
from bench.figures import INSTANT_CONNECTIONS, Row


def tls(readers: int) -> list[Row]:
    """Mails a second with TLS, and the CPU seconds that it adds."""
    plain = figures.measure_sending("sqlite", readers, connections=INSTANT_CONNECTIONS)
    with _certificate() as path:
        found = figures.measure_sending("sqlite", readers, connections=INSTANT_CONNECTIONS, certificate=path)
    rate, reference = (one["sent"] / one["seconds"] for one in (found, plain))
    extra = (found["cpu"] - plain["cpu"]) * 100_000 / readers
    return [
        Row("send, instant relay, TLS, SQLite, one worker", rate, "/s", ">= 10,000/s", reference),
        Row("CPU that TLS adds per 100,000", extra, "s", "<= 2 s"),
    ]


@contextmanager
def _certificate() -> Iterator[Path]:
    """A certificate of 127.0.0.1 with its key in the same file."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        key, certificate = Path(folder) / "relay.pem", Path(folder) / "certificate"
        subprocess.run(
            [*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
        )
        key.write_text(key.read_text() + certificate.read_text())
        yield key

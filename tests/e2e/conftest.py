"""A whole digest per module: real processes on free ports, in a home that is thrown away."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from digest.config import free_port

PATIENCE = 60.0


@dataclass(frozen=True)
class Running:
    """A digest that is up."""

    home: Path
    base_url: str
    process: subprocess.Popen[bytes]

    def digest(self, *words: str, ok: bool = True) -> str:
        """What `digest …` prints in this home."""
        done = subprocess.run(
            [sys.executable, "-m", "digest.app", *words],
            env=environment(self.home),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not ok or done.returncode == 0, done.stderr
        return done.stdout

    def mails(self, to: str) -> list[EmailMessage]:
        """The mails that an address received, oldest first."""
        folder = self.home / "mailbox" / "new"
        raw = [path.read_bytes() for path in sorted(folder.iterdir())] if folder.exists() else []
        opened = [message_from_bytes(mail, EmailMessage, policy=policy.default) for mail in raw]
        return [mail for mail in opened if to in str(mail["To"])]

    def mail(self, to: str, subject: str) -> EmailMessage:
        """The first mail to an address whose subject holds `subject`; waits for it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for mail in self.mails(to):
                if subject.lower() in str(mail["Subject"]).lower():
                    return mail
            time.sleep(0.1)
        raise AssertionError(f"no mail about {subject!r} came to {to}; {(self.home / 'up.log').read_text()}")

    def link(self, mail: EmailMessage, kind: str) -> str:
        """The first link of a kind (confirm, unsubscribe, go, …) in a mail's text."""
        part = mail.get_body(("plain",))
        assert part is not None
        found = re.search(rf"https?://\S+/{kind}/[\w-]+", part.get_content())
        assert found, part.get_content()
        return found[0]


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    return {**kept, "DIGEST_HOME": str(home)}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`digest init` and `digest up`, ended at the end of the module."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "digest.app", "up", f"--port={port}"],
            env=environment(home),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        base_url = f"http://127.0.0.1:{port}"
        _until_ready(base_url, process, home / "up.log")
        yield Running(home, base_url, process)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _until_ready(base_url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{base_url}/readyz", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"digest did not come up:\n{log.read_text()}")

"""The README's first command does the whole job."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from digest.embedded.maildir import Maildir


@pytest.mark.timeout(180)
def test_the_demo_signs_a_reader_up_and_sends_an_issue(tmp_path: Path) -> None:
    # What the environment names must not matter: a demo mails nobody.
    environment = {**os.environ, "DIGEST_SMTP_URL": "smtp://relay.invalid:587", "DIGEST_HOME": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "digest.app", "demo", "--once", "--home", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "25 planned = 25 accepted + 0 excluded + 0 failed + 0 unknown + 0 remaining" in done.stdout
    maildir = Maildir(tmp_path / "mailbox")
    mails = [maildir.read(key) or b"" for key in maildir.keys()]  # noqa: SIM118  it is no dict
    assert len([mail for mail in mails if b"you@example.org" in mail.partition(b"\r\n\r\n")[0]]) == 3
    assert len(mails) == 27

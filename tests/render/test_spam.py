"""What SpamAssassin's local rules say of every mail that we send: nothing against any of them."""

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.render.editions import MASTHEAD, edition, mail
from tests.render.test_letters import made

from digest.render.compose import compose
from digest.render.letters import KINDS

PROGRAM = shutil.which("spamassassin")


def letter(kind: str) -> bytes:
    one = made(kind)
    return compose(
        sender=("Weekly Tool Verdicts", "verdicts@news.example.org"),
        to="ada@example.com",
        subject=one.subject,
        text=one.text,
        html=one.html,
        message_id="41.7@news.example.org",
        date=datetime(2026, 11, 24, 9, tzinfo=UTC),
        headers=dict(one.headers),
    )


MAILS = {
    "issue": lambda: mail(edition()),
    "variant": lambda: mail(edition(), (3, 4)),
    "right to left": lambda: mail(
        edition(2, masthead=replace(MASTHEAD, language="ar", name="أحكام الأدوات"))
    ),
    **{kind: (lambda kind=kind: letter(kind)) for kind in KINDS},
}


@pytest.mark.skipif(PROGRAM is None, reason="needs the spamassassin program (Debian: spamassassin)")
def test_a_spam_filter_has_nothing_against_any_mail(tmp_path: Path) -> None:
    files = [tmp_path / name for name in MAILS]
    for file, make in zip(files, MAILS.values(), strict=True):
        file.write_bytes(make())
    command = [str(PROGRAM), "-L", "-t", *map(str, files)]
    run = subprocess.run(command, capture_output=True, timeout=110, check=True)
    report = run.stdout.decode("utf-8", "replace")
    scores = re.findall(r"^X-Spam-Status: \w+, score=(-?[0-9.]+) ", report, re.MULTILINE)
    assert len(scores) == len(MAILS), report[:2000]
    assert {name: score for name, score in zip(MAILS, scores, strict=True) if float(score) > 0} == {}

import re
import shutil
import subprocess

import pytest
from tests.render.editions import edition, mail

PROGRAM = shutil.which("spamassassin")


@pytest.mark.skipif(PROGRAM is None, reason="needs the spamassassin program (Debian: spamassassin)")
def test_a_spam_filter_accepts_the_mail() -> None:
    run = subprocess.run(
        [str(PROGRAM), "-L", "-t"], input=mail(edition()), capture_output=True, timeout=110, check=True
    )
    report = run.stdout.decode("utf-8", "replace")
    found = re.search(r"X-Spam-Status: \w+, score=(-?[0-9.]+) ", report)
    assert found, report[:2000]
    assert float(found[1]) <= 1.0, report[-2000:]

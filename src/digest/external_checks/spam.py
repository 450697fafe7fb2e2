"""The SpamAssassin score of a mail, by local rules only: nothing is queried over the network, nothing is learned."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Final

from digest.errors import Unavailable

TIMEOUT_SECONDS = 30.0
_OPTIONS: Final = ("--local", "--test-mode", "--nocreate-prefs", "-x")
_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
_SCORE = re.compile(r"^X-Spam-Status:.*?score=(-?[\d.]+) required=(-?[\d.]+)", re.MULTILINE | re.DOTALL)
_RULE = re.compile(r"^ *(-?\d+\.\d+) ([A-Z][A-Z0-9_]+) +(\S.*(?:\n {20,}\S.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class SpamRule:
    """A rule that matched: its points, name and description."""

    points: float
    name: str
    description: str


@dataclass(frozen=True)
class SpamScore:
    """The total, the limit from which a mail counts as spam, and the rules that added points, highest first."""

    points: float
    limit: float
    rules: tuple[SpamRule, ...]


def is_installed() -> bool:
    """Return whether SpamAssassin is on the PATH."""
    return shutil.which("spamassassin") is not None


def score_mail(mail: bytes, *, timeout_seconds: float = TIMEOUT_SECONDS) -> SpamScore:
    """Score a complete mail (RFC 5322). Raises Unavailable when SpamAssassin is missing, fails or times out."""
    program, nice = shutil.which("spamassassin"), shutil.which("nice")
    if program is None:
        raise Unavailable("SpamAssassin is not installed")
    command = [*([nice, "-n", "15"] if nice else []), program, *_OPTIONS]
    # An empty home, so that no user preferences and no learned words change the score.
    with tempfile.TemporaryDirectory(prefix="digest-spam-") as home:
        environment = {"HOME": home, "PATH": _PATH, "LC_ALL": "C"}
        try:
            process = subprocess.run(  # noqa: S603  a fixed system program, run without a shell
                command,
                input=mail,
                capture_output=True,
                timeout=timeout_seconds,
                check=False,
                env=environment,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"SpamAssassin did not respond ({type(error).__name__})") from None
    return parse_report(process.stdout.decode(errors="replace"))


def parse_report(report: str) -> SpamScore:
    """Return the score in the output of `spamassassin -t`. Raises Unavailable when there is none."""
    status = _SCORE.search(report)
    if status is None:
        raise Unavailable("SpamAssassin returned no score")
    table = report[report.rfind("Content analysis details:") :]
    rules = [
        SpamRule(float(points), name, " ".join(text.split())) for points, name, text in _RULE.findall(table)
    ]
    matched = sorted((rule for rule in rules if rule.points), key=lambda rule: -rule.points)
    return SpamScore(float(status[1]), float(status[2]), tuple(matched))

"""What SpamAssassin thinks of a mail, by its local rules alone: nobody is asked and nothing is learnt."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from digest.errors import Unavailable

TIMEOUT_SECONDS = 30.0
_SCORE = re.compile(r"^X-Spam-Status:.*?score=(-?[\d.]+) required=(-?[\d.]+)", re.MULTILINE | re.DOTALL)
_RULE = re.compile(r"^ *(-?\d+\.\d+) ([A-Z][A-Z0-9_]+) +(\S.*(?:\n {20,}\S.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class SpamRule:
    """One rule that spoke: its points, its name and what it says."""

    points: float
    name: str
    description: str


@dataclass(frozen=True)
class SpamScore:
    """The sum and the limit at which a mail counts as spam, with the rules that gave points."""

    points: float
    limit: float
    rules: tuple[SpamRule, ...]


def is_installed() -> bool:
    """Whether there is a filter to ask."""
    return shutil.which("spamassassin") is not None


def score_mail(mail: bytes, *, timeout_seconds: float = TIMEOUT_SECONDS) -> SpamScore:
    """Ask the filter about a whole mail (RFC 5322). Raises Unavailable when it is missing, fails or is too slow."""
    program, nice = shutil.which("spamassassin"), shutil.which("nice")
    if program is None:
        raise Unavailable("SpamAssassin is not installed")
    # A home of its own, so that nobody's preferences and no learnt words change what it says.
    with tempfile.TemporaryDirectory(prefix="digest-spam-") as home:
        command = [
            *([nice, "-n", "15"] if nice else []),
            program,
            "--local",
            "--test-mode",
            "--nocreate-prefs",
            "-x",
        ]
        environment = {"HOME": home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin", "LC_ALL": "C"}
        try:
            done = subprocess.run(  # noqa: S603  a program of the system, found by its name, and no shell
                command, input=mail, capture_output=True, timeout=timeout_seconds, check=False, env=environment
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"SpamAssassin gave no answer ({type(error).__name__})") from None
    return parse_report(done.stdout.decode(errors="replace"))


def parse_report(report: str) -> SpamScore:
    """The score in what `spamassassin -t` printed. Raises Unavailable when there is none."""
    found = _SCORE.search(report)
    if found is None:
        raise Unavailable("SpamAssassin gave no score")
    table = report[report.rfind("Content analysis details:") :]
    rules = [SpamRule(float(points), name, " ".join(says.split())) for points, name, says in _RULE.findall(table)]
    spoke = tuple(sorted((rule for rule in rules if rule.points), key=lambda rule: -rule.points))
    return SpamScore(float(found[1]), float(found[2]), spoke)

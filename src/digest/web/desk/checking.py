"""The checks beside a draft, with the size of the mail that would be sent."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from digest.editorial import checks
from digest.editorial.checks import Check, Level
from digest.editorial.models import Issue
from digest.errors import BadInput
from digest.web.desk.frame import services
from digest.web.desk.sample import pressed


@dataclass(frozen=True)
class Findings:
    """What was found: the bytes of the mail's HTML (None when it cannot be pressed) and the checks."""

    size: int | None
    blocking: list[Check]
    waivable: list[Check]


def look_over(db: Session, issue: Issue) -> Findings:
    """Press the issue and run every check on it; a text that cannot be pressed is a check that blocks."""
    base_url = services().base_url
    size, refused = None, []
    try:
        size = pressed(db, issue, base_url).html_bytes if issue.picks else None
    except BadInput as problem:
        refused = [
            Check("press", Level.BLOCKING, f"It cannot be made into a mail: {problem}.", "Mend that text.")
        ]
    found = checks.run(db, issue, base_url=base_url, html_bytes=size) + refused
    blocking = checks.blocking(found)
    return Findings(size, blocking, [check for check in found if check not in blocking])

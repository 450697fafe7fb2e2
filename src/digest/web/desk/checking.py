"""The checks beside a draft, with the size of the mail that would be sent."""

from sqlalchemy.orm import Session

from digest.delivery.pressing import pressed
from digest.editorial import findings
from digest.editorial.findings import Findings
from digest.editorial.models import Issue
from digest.web.desk.frame import services


def look_over(db: Session, issue: Issue) -> Findings:
    """Press the issue and run every check on it."""
    base_url = services().base_url
    return findings.look_over(
        db, issue, base_url=base_url, size=lambda: pressed(db, issue, base_url).html_bytes
    )

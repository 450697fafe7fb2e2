"""The checks beside a draft: what blocks, what waits for a word, what workers have still to look at."""

from sqlalchemy.orm import Session

from digest.db import utcnow
from digest.delivery.pressing import pressed
from digest.editorial import findings
from digest.editorial.findings import Findings
from digest.editorial.looks import Outside
from digest.editorial.models import Issue
from digest.web.desk.frame import services


def look_over(db: Session, issue: Issue) -> Findings:
    """Press the issue and run every check on it."""
    here = services()
    return findings.look_over(
        db,
        issue,
        base_url=here.base_url,
        pressed=lambda: pressed(db, issue, here.base_url),
        now=utcnow(),
        outside=Outside(here.relay.host, here.dkim_selectors),
    )

"""The pressed issue, whether it is frozen or not: previews, sizes and checks look at what would be sent."""

from functools import lru_cache

from sqlalchemy.orm import Session

from digest.delivery.ledger.models import FrozenIssue
from digest.editorial import editions
from digest.editorial.models import Issue
from digest.render.compile import Pressed, press
from digest.render.content import Edition

KEPT = 8  # issues, of some 200 kB each: checks and previews ask for the same one again and again


def pressed(session: Session, issue: Issue, base_url: str) -> Pressed:
    """The issue as it was frozen, else pressed as it stands now. Raises BadInput for a text that cannot be."""
    frozen = session.get(FrozenIssue, issue.id)
    if frozen is not None:
        return Pressed.from_bytes(frozen.pressed)
    return _press(editions.edition(session, issue, base_url))


@lru_cache(KEPT)
def _press(edition: Edition) -> Pressed:
    """The same edition gives the same bytes."""
    return press(edition)

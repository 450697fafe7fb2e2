"""A test of an issue to any address: marked as one, with links that record nothing."""

from datetime import datetime

from sqlalchemy.orm import Session

from digest.audience import address as addresses
from digest.delivery import outbox
from digest.editorial import content
from digest.editorial.models import Issue
from digest.errors import NotAllowed
from digest.render.press import press


def send_test(
    session: Session,
    issue: Issue,
    address: str,
    *,
    base_url: str,
    now: datetime,
    user_id: int | None = None,  # noqa: ARG001 who asked is in the log of the door
) -> int:
    """Post a test of the issue as it stands; gives the letter's row.

    Raises BadInput for an address that cannot be mailed or an issue that cannot be pressed, NotAllowed without picks.
    """
    to = addresses.normal(address).address
    edition = content.edition(session, issue, base_url)
    if not edition.blocks:
        raise NotAllowed(f"issue {issue.number} has no picks yet; there is nothing to test")
    press(edition, test=True)  # whoever asks hears at once what is wrong with it
    publication, facts = issue.publication_id, {"issue_id": issue.id}
    return outbox.post(session, outbox.TEST, now=now, publication_id=publication, address=to, facts=facts)

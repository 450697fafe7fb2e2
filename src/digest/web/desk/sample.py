"""The issue as a mail to a reader who does not exist: the same press and the same plate as for those who do."""

from sqlalchemy.orm import Session

from digest.delivery.models import FrozenIssue
from digest.editorial import content
from digest.editorial.models import Issue
from digest.render.plate import Reader, masked
from digest.render.press import Pressed, press

ADDRESS = "reader@example.org"
TOKEN = b"this-is-a-preview-and-this-link-leads-nowhere"


def pressed(db: Session, issue: Issue, base_url: str) -> Pressed:
    """The issue as it was frozen, else pressed as it stands now. Raises BadInput for a text that cannot be."""
    frozen = db.get(FrozenIssue, issue.id)
    if frozen is not None:
        return Pressed.from_bytes(frozen.pressed)
    return press(content.edition(db, issue, base_url))


def sample_mail(db: Session, issue: Issue, base_url: str) -> bytes:
    """The whole mail, as it would go on the wire."""
    plate = pressed(db, issue, base_url).plate()
    text, html = masked("r•••@example.org")
    reader = Reader(
        to=ADDRESS.encode(),
        message_id=f"preview.{issue.id}@example.org".encode(),
        unsubscribe=TOKEN,
        preferences=TOKEN,
        masked_text=text,
        masked_html=html,
        clicks=[TOKEN] * len(plate.clicks),
    )
    return plate.fill(reader)

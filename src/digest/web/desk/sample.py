"""The issue as a mail to a reader who does not exist: the same press and the same plate as for those who do."""

from sqlalchemy.orm import Session

from digest.delivery.pressing import pressed
from digest.editorial.models import Issue
from digest.render.plate import Reader, masked

ADDRESS = "reader@example.org"
TOKEN = b"this-is-a-preview-and-this-link-leads-nowhere"


def sample_mail(db: Session, issue: Issue, base_url: str, picks: tuple[int, ...] | None = None) -> bytes:
    """The whole mail, as it would go on the wire, with these picks; None: all of them."""
    plate = pressed(db, issue, base_url).plate(picks)
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

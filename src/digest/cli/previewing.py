"""An issue as an email to a sample reader, rendered exactly as for real ones."""

from pathlib import Path

from sqlalchemy.orm import Session

from digest.audience import tokens
from digest.delivery.ledger.compiled_issue import get_compiled_issue
from digest.editorial.models import Issue
from digest.render.message_template import MergeFields, encode_merge_text
from digest.render.parsed_mail import parse_mail
from digest.signing import Signer
from digest.tracking import links

ADDRESS = "reader@example.org"
MASKED = "r•••@example.org"
TEST_SUBSCRIBER_ID = 0  # tokens for this subscriber change nothing; their pages say that it was a test
FILES = ("index.html", "body.txt", "mail.eml")


def render_preview(session: Session, signer: Signer, issue: Issue, base_url: str) -> bytes:
    """The complete message as the relay would get it, for a sample reader."""
    template = get_compiled_issue(session, issue, base_url).message_template()
    publication = issue.publication_id
    text, html = encode_merge_text(MASKED)
    reader = MergeFields(
        to=ADDRESS.encode(),
        message_id=f"preview-{issue.publication_id}-{issue.number}@example.org".encode(),
        unsubscribe=tokens.unsubscribe_minter(signer).mint(publication, TEST_SUBSCRIBER_ID, issue.id),
        preferences=tokens.preferences_minter(signer).mint(publication, TEST_SUBSCRIBER_ID),
        masked_text=text,
        masked_html=html,
        click=links.click_minter(signer).mint(issue.id, TEST_SUBSCRIBER_ID),
    )
    return template.fill(reader)


def write_files(message: bytes, out: Path) -> list[Path]:
    """Write index.html, body.txt and mail.eml into `out`, created if missing; return their paths. Raises OSError."""
    parsed = parse_mail(message)
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in FILES]
    for path, data in zip(paths, (parsed.html.encode(), parsed.text.encode(), message), strict=True):
        path.write_bytes(data)
    return paths

"""Builds an Edition of an issue: the value that the mail, its preview and the public page are rendered from."""

from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from digest.catalog import queries
from digest.catalog.comparison import ComparisonView
from digest.editorial.models import Issue, Pick
from digest.publications import publications
from digest.publications.models import Publication
from digest.render.content import Block, Edition, Masthead, make_sides

_ISO_DATE_CHARS = len("2026-12-01")


def build_edition(session: Session, issue: Issue, base_url: str) -> Edition:
    """Return the issue as it stands, each pick in the version that was picked; `base_url` is the public site's."""
    base_url = base_url.rstrip("/")
    path = publications.public_path(session, issue.publication)
    views = queries.fetch_by_version(session, [pick.version_id for pick in issue.picks])
    return Edition(
        issue_id=issue.id,
        number=issue.number,
        masthead=build_masthead(issue.publication),
        dated=issue_date(issue),
        subject=issue.subject,
        preheader=issue.preheader,
        intro=issue.intro,
        blocks=tuple(_make_block(pick, views[pick.version_id], base_url + path) for pick in issue.picks),
        base_url=base_url,
        path=path,
    )


def build_masthead(publication: Publication) -> Masthead:
    """Return the publication as a mail shows it."""
    return Masthead(
        slug=publication.slug,
        name=publication.name,
        tagline=publication.tagline,
        sender_name=publication.sender_name,
        sender_address=publication.sender_address,
        reply_to=publication.reply_to,
        postal_address=publication.postal_address,
        language=publication.language,
    )


def issue_date(issue: Issue) -> date:
    """Return the local date shown on the issue: of its send time, else its slot, else the day it was drafted."""
    planned = issue.send_on or issue.slot_date
    if planned:
        return date.fromisoformat(planned[:_ISO_DATE_CHARS])
    return issue.drafted_at.astimezone(ZoneInfo(issue.publication.zone)).date()


def _make_block(pick: Pick, view: ComparisonView, site: str) -> Block:
    left, right = make_sides(view.left, view.right, view.quotes)
    return Block(
        pick_id=pick.id,
        slug=view.slug,
        url=f"{site}/comparisons/{view.slug}",
        left=left,
        right=right,
        quotes=view.quotes,
        note=pick.note,
    )

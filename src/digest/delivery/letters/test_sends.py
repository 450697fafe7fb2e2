"""Tests of an issue: marked, with links that record nothing, through anybody's eyes; and what became of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.audience import address as addresses
from digest.audience import topics
from digest.delivery.ledger.models import Letter, Trial
from digest.delivery.letters import outbox
from digest.editorial import editions
from digest.editorial.models import Issue, Role, User
from digest.errors import NotAllowed
from digest.render.compile import press
from digest.render.content import Edition

EVERYTHING = "everything"


@dataclass(frozen=True)
class Tried:
    """A test as it stands: to whom, through whose eyes, and what the relay said (outcome None: it is on its way)."""

    address: str
    profile: str
    by: str
    at: datetime
    outcome: str | None
    reply: str


def send_test(
    session: Session,
    issue: Issue,
    address: str,
    *,
    base_url: str,
    now: datetime,
    user_id: int | None = None,
    wanted: Collection[str] = (),
) -> int:
    """Post a test of the issue as it stands, as a reader with the topics `wanted` gets it; gives the letter's row.

    Raises BadInput for an address that cannot be mailed or an issue that cannot be pressed, NotAllowed without picks.
    """
    to = addresses.normal(address).address
    edition = editions.edition(session, issue, base_url)
    if not edition.blocks:
        raise NotAllowed(f"issue {issue.number} has no picks yet; there is nothing to test")
    press(edition, test=True)  # whoever asks hears at once what is wrong with it
    choice = sorted(set(wanted))
    facts: dict[str, object] = {"issue_id": issue.id} | ({"topics": choice} if choice else {})
    publication = issue.publication_id
    letter = outbox.post(session, outbox.TEST, now=now, publication_id=publication, address=to, facts=facts)
    profile = ", ".join(choice) or EVERYTHING
    session.add(Trial(letter_id=letter, issue_id=issue.id, user_id=user_id, profile=profile, at=now))
    session.flush()
    return letter


def picks(edition: Edition, wanted: Collection[str]) -> tuple[int, ...] | None:
    """The picks that a reader with these topics gets; None: all of them, also where there would be none."""
    blocks = [block.topics for block in edition.blocks]
    held = topics.places(topics.variant_of(wanted, blocks), len(blocks))
    return tuple(edition.blocks[place].pick_id for place in held) or None


def last(session: Session, issue: Issue, most: int = 8) -> list[Tried]:
    """The latest tests of an issue, the newest first."""
    rows = (
        select(Trial, Letter, User.address)
        .join(Letter, Letter.id == Trial.letter_id)
        .outerjoin(User, User.id == Trial.user_id)
        .where(Trial.issue_id == issue.id)
        .order_by(Trial.letter_id.desc())
        .limit(most)
    )
    return [
        Tried(
            address=letter.address or "somebody who was forgotten",
            profile=trial.profile,
            by=by or "the command line",
            at=trial.at,
            outcome=letter.outcome,
            reply=letter.reply or "",
        )
        for trial, letter, by in session.execute(rows)
    ]


def editors(session: Session) -> Sequence[str]:
    """The addresses of all who may edit."""
    roles = (Role.OWNER.value, Role.EDITOR.value)
    whom = select(User.address).where(User.role.in_(roles), User.removed_at.is_(None))
    return session.scalars(whom.order_by(User.address)).all()

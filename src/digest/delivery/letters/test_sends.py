"""Tests of an issue: marked, with links that record nothing, through anybody's eyes; and what became of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.audience import address as addresses
from digest.audience import topics
from digest.delivery.ledger.models import Letter, TestSend
from digest.delivery.letters import outbox
from digest.editorial import editions
from digest.editorial.models import Issue, Role, User
from digest.errors import NotAllowed
from digest.render.compile import compile_issue
from digest.render.content import Edition

ALL_TOPICS = "everything"


@dataclass(frozen=True)
class TestSendStatus:
    """A test as it stands: to whom, through whose eyes, and what the relay said (outcome None: it is on its way)."""

    address: str
    profile: str
    requested_by: str
    requested_at: datetime
    outcome: str | None
    reply: str


def enqueue_test_send(
    session: Session,
    issue: Issue,
    address: str,
    *,
    base_url: str,
    now: datetime,
    user_id: int | None = None,
    topics_wanted: Collection[str] = (),
) -> int:
    """Post a test of the issue as it stands, as a reader with the topics `wanted` gets it; gives the letter's row.

    Raises BadInput for an address that cannot be mailed or an issue that cannot be pressed, NotAllowed without picks.
    """
    to = addresses.normalize(address).address
    edition = editions.build_edition(session, issue, base_url)
    if not edition.blocks:
        raise NotAllowed(f"issue {issue.number} has no picks yet; there is nothing to test")
    compile_issue(edition, test=True)  # whoever asks hears at once what is wrong with it
    choice = sorted(set(topics_wanted))
    facts: dict[str, object] = {"issue_id": issue.id} | ({"topics": choice} if choice else {})
    publication = issue.publication_id
    letter = outbox.enqueue_letter(
        session, outbox.TEST_KIND, now=now, publication_id=publication, address=to, facts=facts
    )
    profile = ", ".join(choice) or ALL_TOPICS
    session.add(TestSend(letter_id=letter, issue_id=issue.id, user_id=user_id, profile=profile, at=now))
    session.flush()
    return letter


def pick_ids_for_topics(edition: Edition, wanted: Collection[str]) -> tuple[int, ...] | None:
    """The picks that a reader with these topics gets; None: all of them, also where there would be none."""
    blocks = [block.topics for block in edition.blocks]
    held = topics.variant_positions(topics.variant_of(wanted, blocks), len(blocks))
    return tuple(edition.blocks[place].pick_id for place in held) or None


def list_test_sends(session: Session, issue: Issue, most: int = 8) -> list[TestSendStatus]:
    """The latest tests of an issue, the newest first."""
    rows = (
        select(TestSend, Letter, User.address)
        .join(Letter, Letter.id == TestSend.letter_id)
        .outerjoin(User, User.id == TestSend.user_id)
        .where(TestSend.issue_id == issue.id)
        .order_by(TestSend.letter_id.desc())
        .limit(most)
    )
    return [
        TestSendStatus(
            address=letter.address or "somebody who was forgotten",
            profile=trial.profile,
            requested_by=by or "the command line",
            requested_at=trial.at,
            outcome=letter.outcome,
            reply=letter.reply or "",
        )
        for trial, letter, by in session.execute(rows)
    ]


def list_editor_addresses(session: Session) -> Sequence[str]:
    """The addresses of all who may edit."""
    roles = (Role.OWNER.value, Role.EDITOR.value)
    whom = select(User.address).where(User.role.in_(roles), User.removed_at.is_(None))
    return session.scalars(whom.order_by(User.address)).all()

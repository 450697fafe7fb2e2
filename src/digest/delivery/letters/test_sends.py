"""Test sends of an issue, marked as tests, as a reader with any topics gets it; their links record nothing."""

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
    """A test send: its address, the topics it shows, and the relay's reply (outcome None: still being sent)."""

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
    """Queue a test of the issue as a reader with `topics_wanted` would get it now; returns the letter's id.

    Raises BadInput for an address that cannot be mailed or an issue that cannot be compiled, NotAllowed without picks.
    """
    to = addresses.normalize(address).address
    edition = editions.build_edition(session, issue, base_url)
    if not edition.blocks:
        raise NotAllowed(f"issue {issue.number} has no picks yet, so there is nothing to test")
    compile_issue(edition, test=True)  # report errors now, not when the letter is sent
    wanted = sorted(set(topics_wanted))
    facts: dict[str, object] = {"issue_id": issue.id} | ({"topics": wanted} if wanted else {})
    publication_id = issue.publication_id
    letter_id = outbox.enqueue_letter(
        session, outbox.TEST_KIND, now=now, publication_id=publication_id, address=to, facts=facts
    )
    profile = ", ".join(wanted) or ALL_TOPICS
    session.add(TestSend(letter_id=letter_id, issue_id=issue.id, user_id=user_id, profile=profile, at=now))
    session.flush()
    return letter_id


def pick_ids_for_topics(edition: Edition, wanted: Collection[str]) -> tuple[int, ...] | None:
    """The picks that a reader with these topics gets; None: all of them, which also stands in for no picks at all."""
    blocks = [block.topics for block in edition.blocks]
    positions = topics.variant_positions(topics.variant_of(wanted, blocks), len(blocks))
    return tuple(edition.blocks[position].pick_id for position in positions) or None


def list_test_sends(session: Session, issue: Issue, limit: int = 8) -> list[TestSendStatus]:
    """The latest test sends of an issue, newest first."""
    rows = (
        select(TestSend, Letter, User.address)
        .join(Letter, Letter.id == TestSend.letter_id)
        .outerjoin(User, User.id == TestSend.user_id)
        .where(TestSend.issue_id == issue.id)
        .order_by(TestSend.letter_id.desc())
        .limit(limit)
    )
    return [
        TestSendStatus(
            address=letter.address or "an erased address",
            profile=test_send.profile,
            requested_by=user_address or "the command line",
            requested_at=test_send.at,
            outcome=letter.outcome,
            reply=letter.reply or "",
        )
        for test_send, letter, user_address in session.execute(rows)
    ]


def list_editor_addresses(session: Session) -> Sequence[str]:
    """The addresses of all owners and editors."""
    roles = (Role.OWNER.value, Role.EDITOR.value)
    addresses_of_editors = select(User.address).where(User.role.in_(roles), User.removed_at.is_(None))
    return session.scalars(addresses_of_editors.order_by(User.address)).all()

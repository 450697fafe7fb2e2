"""An issue that is being sent or was sent, created directly in the tables."""

from datetime import timedelta
from functools import cache

from tests.tracking.click_tokens import click_token, follow
from tests.web.factories import Site
from tests.web.subscribers import create_subscriber

from digest.db import utcnow
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.editorial import editions, issues, transitions
from digest.editorial.models import State
from digest.publications import publications
from digest.render import content
from digest.render.compile import compile_issue
from digest.tracking import links, unsubscribes

OUTCOMES = ("accepted",) * 6 + ("failed", "failed", "excluded", "unknown", None)


def start_sending(made: Site, state: State = State.SENDING, hold_minutes: int = 0) -> list[int]:
    """Freeze issue 1 and send half of it. Returns the subscribers in the order of OUTCOMES."""
    now = utcnow()
    with made.db.begin() as session:
        publication = publications.find(session)
        issue = issues.get_by_number(session, 1)
        transitions.record_transition(
            session, issue.id, "scheduled", State.SENDING, now=now, actor="clock", user_id=None, reason=""
        )
        issue.state, issue.started_at = state, now - timedelta(seconds=20)
        issue.release_at = now + timedelta(minutes=hold_minutes)
        edition = editions.build_edition(session, issue, "https://news.example.org")
        session.add(
            FrozenIssue(
                issue_id=issue.id,
                edition=content.to_json(edition),
                compiled=_compile(edition),
                sha256="0" * 64,
                template_version="test",
                key_id="0000",
                frozen_at=now,
                audience_done_at=now,
                planned=len(OUTCOMES),
            )
        )
        numbers = [
            create_subscriber(session, publication.id, f"r{place}@example.org")
            for place in range(len(OUTCOMES))
        ]
        begun = 0 if hold_minutes else len(OUTCOMES)
        batch = Batch(
            issue_id=issue.id, due_at=now, size=len(OUTCOMES), started_upto=begun, fence=int(begun > 0)
        )
        session.add(batch)
        session.flush()
        for number, outcome in zip(numbers, OUTCOMES, strict=True):
            session.add(_delivery(batch, number, None if hold_minutes else outcome, now))
    return numbers


def record_reactions(made: Site, numbers: list[int]) -> None:
    """Record that the first reader followed two links and a scanner all, and that two unsubscribed, one with a reason."""
    with made.db.begin() as session:
        issue = issues.get_by_number(session, 1)
        begun = issue.started_at or utcnow()
        picks = [pick.id for pick in issue.picks][:3]
        targets = [(n, pick, f"https://news.example.org/{n}", f"Link {n}") for n, pick in enumerate(picks)]
        links.store(session, issue.id, targets)
        for who, number, seconds in ((0, 0, 60), (0, 1, 7300), (1, 0, 1), (1, 1, 2), (1, 2, 3)):
            token = click_token(made.signer, issue.id, number, numbers[who])
            at = begun + timedelta(seconds=seconds)
            follow(session, made.signer, token, agent="Firefox", machine=False, now=at)
        for who, source in ((2, "header"), (3, "page")):
            unsubscribes.record(session, issue.id, numbers[who], source, begun + timedelta(hours=3))
        unsubscribes.set_reason(session, issue.id, numbers[3], "often")


@cache
def _compile(edition: content.Edition) -> bytes:
    """The same edition always compiles to the same bytes, and most tests have the same one."""
    return compile_issue(edition).to_bytes()


def _delivery(batch: Batch, number: int, outcome: str | None, now: object) -> Delivery:
    reasons = {"failed": "no such mailbox", "excluded": "unsubscribed"}
    return Delivery(
        issue_id=batch.issue_id,
        subscriber_id=number,
        batch_id=batch.id,
        outcome=outcome,
        reason=reasons.get(outcome or ""),
        ended_at=now if outcome else None,
    )

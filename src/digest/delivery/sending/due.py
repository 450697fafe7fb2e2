"""What is due, asked of the rows: the clock's one question, and its small steps. Each may be asked by two at once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch
from digest.delivery.letters import delivery
from digest.delivery.release import batches, canary, completion, freeze, refusals
from digest.delivery.sending import claim as claims
from digest.editorial.calendar import schedule


@dataclass(frozen=True)
class Due:
    """What waits for somebody to do it."""

    freezes: tuple[int, ...]  # rows of scheduled issues whose hour has come: `freeze.freeze`
    audiences: tuple[int, ...]  # rows of issues whose audience is not written down: `freeze.freeze_step`
    batches: bool  # `send.work`
    letters: bool  # `letters.send_due`

    @property
    def anything(self) -> bool:
        return bool(self.freezes or self.audiences or self.batches or self.letters)


def due_work(session: Session, now: datetime) -> Due:
    """Look at the rows, changing nothing."""
    return Due(
        freezes=tuple(schedule.list_due(session, now)),
        audiences=tuple(freeze.list_unfinished(session)),
        batches=claims.has_due_batch(session, now) or _held(session),
        letters=delivery.has_due_letter(session, now),
    )


def tidy(session: Session, now: datetime) -> list[int]:
    """The small steps of a tick in one transaction: retries into batches, ends of issues, dead letters.

    Gives the rows of the issues that ended just now.
    """
    caution(session, now)
    batches.batch_retries(session, now)
    delivery.mark_abandoned_unknown(session, now)
    return completion.finish_issues(session, now)


def caution(session: Session, now: datetime) -> list[int]:
    """Look at canaries and at refusals; gives the rows of the issues whose rest may go from now on."""
    refusals.pause_refused_issues(session, now)
    return canary.judge_canaries(session, now)


def _held(session: Session) -> bool:
    """A batch in somebody's hand: whoever works looks whether its holder still lives."""
    return (
        session.scalar(select(Batch.id).where(Batch.holder.is_not(None), Batch.done_at.is_(None)).limit(1))
        is not None
    )

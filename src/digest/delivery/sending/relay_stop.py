"""When the relay as a whole says no: the issue waits or pauses, the operator is told, and no reader is burnt."""

import logging
import random
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from digest.db import PLAIN
from digest.delivery.ledger.masking import masked
from digest.delivery.ledger.models import Delivery, FrozenIssue, Outcome
from digest.delivery.ledger.outcomes import End, Next, write
from digest.delivery.letters import delivery
from digest.delivery.relays.accounts import Account
from digest.delivery.relays.replies import Meaning
from digest.delivery.sending.send_context import Shift
from digest.editorial import transitions
from digest.editorial.models import Issue, Role, State, User
from digest.errors import NotAllowed
from digest.smtp.client import Reply, Stage

LOG = logging.getLogger(__name__)
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(hours=1)
SINCE = "refused since "


class Stop(NamedTuple):
    """Why a connection stopped: BUSY (later) or REFUSED (never by itself), and at which reader, if at one."""

    meaning: Meaning
    reply: Reply
    stage: Stage
    row: Next | None = None
    day: bool = False  # nothing is wrong: today has no more mails left for this account


def note(
    session: Session,
    issue_id: int,
    stop: Stop | None,
    *,
    shift: Shift,
    account: Account,
    now: datetime,
    taken: int,
) -> None:
    """Write down what a connection's end means for its account and the issue. `taken`: mails handed over before."""
    if taken:
        shift.accounts.works(account)
        calm = update(FrozenIssue).where(FrozenIssue.issue_id == issue_id, FrozenIssue.quiet_times > 0)
        session.execute(calm.values(quiet_times=0), execution_options=PLAIN)
    if stop is None:
        return
    told = {
        "issue": issue_id,
        "account": account.relay.label,
        "stage": stop.stage,
        "reply": stop.reply.status,
    }
    LOG.warning("relay stops us", extra=told)
    if stop.day:
        _wait_for_a_day(session, issue_id, stop, shift=shift, account=account, now=now)
    elif stop.meaning is Meaning.BUSY:
        # Another line is open and works: then this one was only one too many.
        if not account.open_lines and not shift.accounts.set_aside(account):
            shift.enough = True
            _wait(
                session, issue_id, shift.retry_delay, now, f"{account.relay.label} says later: {stop.reply}"
            )
    elif not _blame_reader(session, issue_id, stop, now) and not shift.accounts.set_aside(account):
        shift.enough = True
        _pause(session, issue_id, stop, now, account.relay.label if shift.accounts.several else "")


def _wait_for_a_day(
    session: Session, issue_id: int, stop: Stop, *, shift: Shift, account: Account, now: datetime
) -> None:
    seconds = shift.accounts.rest(account)
    if seconds:
        shift.enough = True
        until = now + timedelta(seconds=seconds)
        _be_quiet(session, issue_id, now, {"quiet_until": until, "quiet_why": masked(stop.reply.text)})


def _wait(session: Session, issue_id: int, retry_delay: timedelta, now: datetime, why: str) -> None:
    times = session.scalar(select(FrozenIssue.quiet_times).where(FrozenIssue.issue_id == issue_id)) or 0
    step = min(min(FIRST_WAIT, retry_delay) * 2 ** min(times, 20), LONGEST_WAIT)
    until = now + step * random.uniform(0.8, 1.2)  # noqa: S311 no secret
    more = FrozenIssue.quiet_times + 1
    _be_quiet(session, issue_id, now, {"quiet_until": until, "quiet_times": more, "quiet_why": masked(why)})


def _be_quiet(session: Session, issue_id: int, now: datetime, values: dict[str, object]) -> None:
    """Let the issue wait, unless another connection said so already."""
    waiting = update(FrozenIssue).where(FrozenIssue.issue_id == issue_id)
    waiting = waiting.where(or_(FrozenIssue.quiet_until.is_(None), FrozenIssue.quiet_until <= now))
    session.execute(waiting.values(values), execution_options=PLAIN)


def refused_since(row: Next, reply: Reply, now: datetime) -> str:
    """What is noted with a reader at whom the relay refused us: since when it does so in these words."""
    if (row.noted or "").startswith(SINCE) and (row.reply or "").startswith(f"{reply.code} "):
        return str(row.noted)
    return f"{SINCE}{now.isoformat()}"


def _blame_reader(session: Session, issue_id: int, stop: Stop, now: datetime) -> bool:
    """The same reader refused in the same words again, while the relay took others since: it is this reader."""
    row = stop.row
    if row is None or refused_since(row, stop.reply, now) != row.noted:
        return False
    taken = select(Delivery.subscriber_id).where(
        Delivery.issue_id == issue_id,
        Delivery.outcome == Outcome.ACCEPTED.value,
        Delivery.ended_at > datetime.fromisoformat(row.noted.removeprefix(SINCE)),
    )
    if session.scalar(taken.limit(1)) is None and not _is_last(session, issue_id, row):
        return False
    write(
        session, issue_id, [End(row.subscriber_id, Outcome.FAILED, stop.reply.status, str(stop.reply))], now
    )
    return True


def _is_last(session: Session, issue_id: int, row: Next) -> bool:
    """Nobody is left who could show whether it is the relay, and it took this very issue for somebody."""
    of_issue = select(Delivery.subscriber_id).where(Delivery.issue_id == issue_id)
    others = of_issue.where(Delivery.outcome.is_(None), Delivery.subscriber_id != row.subscriber_id)
    taken = of_issue.where(Delivery.outcome == Outcome.ACCEPTED.value)
    return session.scalar(others.limit(1)) is None and session.scalar(taken.limit(1)) is not None


def _pause(session: Session, issue_id: int, stop: Stop, now: datetime, label: str) -> None:
    issue = session.get_one(Issue, issue_id, populate_existing=True)
    why = masked(f"The relay {label} refuses us at {stop.stage}: {stop.reply}".replace("  ", " "))
    if issue.state == State.SENT:  # somebody is tried once more by hand: there is nothing to pause
        _wait(session, issue_id, LONGEST_WAIT, now, why)
        return
    try:
        transitions.move(session, issue, State.PAUSED, now=now, by="relay", why=why)
    except NotAllowed:  # another connection or a person was faster
        return
    LOG.warning("issue paused by the relay", extra={"issue": issue_id, "reply": stop.reply.status})
    facts = {
        "heading": f"Issue {issue.number} is paused",
        "paragraphs": [
            f"{why}.",
            "Nobody got it twice and nobody was skipped. Mend what the relay complains about, then resume the issue.",
        ],
        "link_path": f"/desk/issues/{issue.number}",
        "link_label": "Look at the issue",
    }
    for user_id in session.scalars(select(User.id).where(User.role == Role.OWNER.value)).all():
        delivery.post(
            session, "notice", now=now, publication_id=issue.publication_id, user_id=user_id, facts=facts
        )

"""When the relay refuses us altogether: the issue waits or pauses, owners are told, and no delivery fails for it."""

import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.masking import mask_addresses
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Outcome
from digest.delivery.ledger.outcomes import OutcomeRecord, PendingDelivery, record_outcomes
from digest.delivery.letters import outbox
from digest.delivery.relays import retry_policy
from digest.delivery.relays.accounts import SmtpAccount
from digest.delivery.relays.replies import ReplyMeaning
from digest.delivery.sending.send_context import SendContext
from digest.editorial import transitions
from digest.editorial.models import Issue, Role, State, User
from digest.errors import NotAllowed
from digest.smtp.replies import Reply, Stage

LOG = logging.getLogger(__name__)
REFUSED_SINCE = "refused since "
_LOST_ADVICE = (
    "Nobody got it twice. Emails without a reply may have been delivered: they are listed as unknown, and are not sent "
    "again by themselves. Check the mail server, then resume the issue."
)
_FAILED_ADVICE = (
    "Nobody got it twice. The refused emails are listed as failed and can be sent again. Fix what the mail server "
    "rejects, then resume the issue."
)
_REFUSED_ADVICE = (
    "Nobody got it twice and nobody was skipped. Fix what the mail server rejects, then resume the issue."
)


class RelayStop(NamedTuple):
    """Why a connection stopped: BUSY (try later) or REFUSED (not by itself), and at which delivery, if at one."""

    meaning: ReplyMeaning
    reply: Reply
    stage: Stage
    delivery: PendingDelivery | None = None
    daily_limit_reached: bool = False  # nothing is wrong: the account's warm-up allows no more today
    habit: str = ""  # what the relay does again and again, with figures; empty: one reply is enough

    @property
    def advice(self) -> str:
        """What people can do about it."""
        if not self.habit:
            return _REFUSED_ADVICE
        return _FAILED_ADVICE if self.reply.code else _LOST_ADVICE

    def describe(self, label: str) -> str:
        """Why the issue stopped, for people; `label` names the account, or is empty."""
        what = f"{self.habit}: {self.reply}" if self.habit else f"refuses us at {self.stage}: {self.reply}"
        return mask_addresses(f"The mail server {label} {what}".replace("  ", " "))


def apply_stop(
    session: Session,
    issue_id: int,
    stop: RelayStop | None,
    *,
    context: SendContext,
    account: SmtpAccount,
    now: datetime,
    accepted_count: int,
) -> None:
    """Apply the end of a connection to its account and the issue. `accepted_count`: mails accepted before it."""
    if accepted_count:
        context.accounts.mark_working(account)
        reset = update(FrozenIssue).where(FrozenIssue.issue_id == issue_id, FrozenIssue.backoff_count > 0)
        session.execute(reset.values(backoff_count=0), execution_options=WITHOUT_SYNC)
    if stop is None:
        return
    details = {
        "issue": issue_id,
        "account": account.relay.label,
        "stage": stop.stage,
        "reply": stop.reply.loggable,
    }
    LOG.warning("relay refused, backing off", extra=details)
    if stop.daily_limit_reached:
        _wait_until_tomorrow(session, issue_id, stop, context=context, account=account, now=now)
    elif stop.meaning is ReplyMeaning.BUSY:
        # If another connection is open and works, this one was only one too many.
        works = account.open_connections or _others_send(session, issue_id, context, account)
        if not works and not context.accounts.back_off(account):
            context.relay_saturated = True
            _back_off(
                session,
                issue_id,
                context.retry_delay,
                now,
                f"{account.relay.label} asks us to try later: {stop.reply}",
            )
    elif not _blame_reader(session, issue_id, stop, now) and not context.accounts.back_off(account):
        context.relay_saturated = True
        _pause(session, issue_id, stop, now, account.relay.label if context.accounts.has_several else "")


def _others_send(session: Session, issue_id: int, context: SendContext, account: SmtpAccount) -> bool:
    """Whether another process sends this issue over the account."""
    claimed = select(Batch.id).where(Batch.issue_id == issue_id, Batch.account == account.relay.key)
    others = claimed.where(Batch.holder.is_not(None), Batch.id.not_in(list(context.claims)))
    return session.scalar(others.limit(1)) is not None


def _wait_until_tomorrow(
    session: Session,
    issue_id: int,
    stop: RelayStop,
    *,
    context: SendContext,
    account: SmtpAccount,
    now: datetime,
) -> None:
    seconds = context.accounts.pause_until_quota(account)
    if seconds:
        context.relay_saturated = True
        ends_at = now + timedelta(seconds=seconds)
        _set_backoff(
            session,
            issue_id,
            now,
            {"backoff_until": ends_at, "backoff_reason": mask_addresses(stop.reply.text)},
        )


def _back_off(session: Session, issue_id: int, retry_delay: timedelta, now: datetime, reason: str) -> None:
    times = session.scalar(select(FrozenIssue.backoff_count).where(FrozenIssue.issue_id == issue_id)) or 0
    ends_at = now + retry_policy.relay_wait(times, retry_delay)
    more = FrozenIssue.backoff_count + 1
    _set_backoff(
        session,
        issue_id,
        now,
        {"backoff_until": ends_at, "backoff_count": more, "backoff_reason": mask_addresses(reason)},
    )


def _set_backoff(session: Session, issue_id: int, now: datetime, values: dict[str, object]) -> None:
    """Let the issue wait, unless it does already."""
    waiting = update(FrozenIssue).where(FrozenIssue.issue_id == issue_id)
    waiting = waiting.where(or_(FrozenIssue.backoff_until.is_(None), FrozenIssue.backoff_until <= now))
    session.execute(waiting.values(values), execution_options=WITHOUT_SYNC)


def refused_since(row: PendingDelivery, reply: Reply, now: datetime) -> str:
    """The reason kept with a delivery at which the relay refused us: since when it has given this reply."""
    if (row.previous_reason or "").startswith(REFUSED_SINCE) and (row.reply or "").startswith(
        f"{reply.code} "
    ):
        return str(row.previous_reason)
    return f"{REFUSED_SINCE}{now.isoformat()}"


def _blame_reader(session: Session, issue_id: int, stop: RelayStop, now: datetime) -> bool:
    """Fail the delivery if the relay gave it the same reply again while accepting others: then it is this recipient."""
    delivery = stop.delivery
    if delivery is None or refused_since(delivery, stop.reply, now) != delivery.previous_reason:
        return False
    accepted = select(Delivery.subscriber_id).where(
        Delivery.issue_id == issue_id,
        Delivery.outcome == Outcome.ACCEPTED.value,
        Delivery.ended_at > datetime.fromisoformat(delivery.previous_reason.removeprefix(REFUSED_SINCE)),
    )
    if session.scalar(accepted.limit(1)) is None and not _is_last_remaining(session, issue_id, delivery):
        return False
    record_outcomes(
        session,
        issue_id,
        [OutcomeRecord(delivery.subscriber_id, Outcome.FAILED, stop.reply.status, str(stop.reply))],
        now,
    )
    return True


def _is_last_remaining(session: Session, issue_id: int, row: PendingDelivery) -> bool:
    """Whether no other delivery is left to show that the relay is to blame, and it accepted this issue for others."""
    of_issue = select(Delivery.subscriber_id).where(Delivery.issue_id == issue_id)
    others = of_issue.where(Delivery.outcome.is_(None), Delivery.subscriber_id != row.subscriber_id)
    accepted = of_issue.where(Delivery.outcome == Outcome.ACCEPTED.value)
    return session.scalar(others.limit(1)) is None and session.scalar(accepted.limit(1)) is not None


def _pause(session: Session, issue_id: int, stop: RelayStop, now: datetime, label: str) -> None:
    issue = session.get_one(Issue, issue_id, populate_existing=True)
    reason = stop.describe(label)
    if issue.state == State.SENT:  # a delivery is retried by hand: there is nothing to pause
        _back_off(session, issue_id, retry_policy.RELAY_LONGEST_WAIT, now, reason)
        return
    try:
        transitions.change_state(session, issue, State.PAUSED, now=now, actor="relay", reason=reason)
    except NotAllowed:  # another connection or a person already did
        return
    log_when_committed(
        session, LOG, logging.WARNING, "issue paused by the relay", issue=issue_id, reply=stop.reply.loggable
    )
    facts = {
        "heading": f"Issue {issue.number} is paused",
        "paragraphs": [
            f"{reason}.",
            stop.advice,
        ],
        "link_path": f"/desk/issues/{issue.number}",
        "link_label": "Open the issue",
    }
    for user_id in session.scalars(select(User.id).where(User.role == Role.OWNER.value)).all():
        outbox.enqueue_letter(
            session, "notice", now=now, publication_id=issue.publication_id, user_id=user_id, facts=facts
        )

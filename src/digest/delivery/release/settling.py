"""Settling a restored database, as the desk and the command line do: what a person says, step by step.

Opens its own transactions: an audience is written in steps, and nobody is kept from writing while a log is read.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.access.audit_verbs import Verb
from digest.audience import unsubscribe
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.db import Database
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.log_events import Meanings
from digest.delivery.ledger.logged_readers import find_logged
from digest.delivery.ledger.provider_log import read_mentions
from digest.delivery.release import freeze, log_report, restored, went_out
from digest.editorial.models import Issue, State
from digest.errors import BadInput, DigestError, NotAllowed
from digest.installation.models import Installation
from digest.signing import Signer

GAP_SECONDS: Final = 0.02  # between two steps, so that others get SQLite's lock
Log = AbstractContextManager[Iterable[str]]  # `provider_log.open_log`


@dataclass(frozen=True)
class Settler:
    """Who settles, and with what."""

    db: Database
    signer: Signer
    base_url: str
    connections: int  # that all workers together may open to the relay
    clock: Callable[[], datetime]
    by: str  # in an issue's history
    source: str  # of an unsubscribe: "desk" or "cli"
    record: Callable[
        [Session, Verb, Issue | None, str], None
    ]  # in the audit log, in the transaction of the change


def require_hold(session: Session) -> Installation:
    """The installation of a database that is held. Raises NotAllowed for any other."""
    found = restored.find_hold(session)
    if found is None:
        raise NotAllowed("this database is neither restored nor a copy: there is nothing to settle")
    return found


def describe(session: Session) -> dict[str, Any]:
    """Why nothing is sent, and what has to be settled; an empty reason when nothing is held."""
    found = restored.find_hold(session)
    if found is None:
        return {"held": False, "reason": "", "known_until": None, "issues": [], "unsubscribes_settled": True}
    return {
        "held": True,
        "reason": found.hold_reason,
        "known_until": found.known_until.isoformat() if found.known_until else None,
        "issues": [
            {
                "id": issue.id,
                "issue": issue.number,
                "publication": issue.publication.slug,
                "subject": issue.subject,
                "was": question.was,
                "state": issue.state,
                "went_out": question.went_out,
                "remaining": count_outcomes(session, issue.id).remaining,
            }
            for issue, question in restored.list_questions(session)
        ],
        "unsubscribes_settled": found.unsubscribes_settled_at is not None,
    }


def is_settled(facts: Mapping[str, Any]) -> bool:
    """Whether everything is said."""
    return bool(facts["unsubscribes_settled"]) and all(issue["went_out"] for issue in facts["issues"])


def settle_none(settler: Settler, issue_id: int) -> str:
    """Nothing of the issue went out elsewhere; returns what that means, in a sentence, as the others do."""
    with settler.db.begin() as session:
        return _settle_none(settler, session, session.get_one(Issue, issue_id))


def settle_all(settler: Settler, issue_id: int) -> str:
    """All of the issue went out elsewhere."""
    _freeze(settler, issue_id)
    with settler.db.begin() as session:
        issue = session.get_one(Issue, issue_id)
        counted = went_out.answer_all(session, issue, now=settler.clock(), by=settler.by)
        settler.record(session, Verb.SETTLE, issue, "all of it went out")
        return f"Issue {issue.number} is {issue.state}: {counted:,} readers are counted as accepted."


def settle_logged(
    settler: Settler,
    issue_id: int,
    log: Log,
    *,
    meanings: Meanings | None = None,
    is_complete: bool = False,
) -> str:
    """Those have the issue whom a log of the mail provider names.

    `meanings` explain words of the log; `is_complete` is a person's word that it holds all that was sent. Raises
    BadInput for a log that names nobody of the issue: that is another log, and all would get the issue once more;
    UnclearLog for one with other words; ShortLog for one that does not reach until now and was not said to be complete.
    """
    _freeze(settler, issue_id)
    with settler.db.read() as session, log as texts:
        now = settler.clock()
        logged = find_logged(session, settler.signer, issue_id, texts, meanings=meanings, now=now)
        issue = session.get_one(Issue, issue_id)
        log_report.require_named(logged, issue)
        if not is_complete:
            held = require_hold(session)
            log_report.require_covering(logged, held.known_until or held.held_at or now, now)
        warning = log_report.warn_incomplete(session, issue, logged)
    with settler.db.begin() as session:
        issue = session.get_one(Issue, issue_id)
        named, doubtful = went_out.answer_logged(session, issue, logged, now=settler.clock(), by=settler.by)
        said = ", and was said to be complete" if is_complete else ""
        settler.record(session, Verb.SETTLE, issue, f"the log names {named:,} readers{said}")
        done = _describe_logged(session, issue, named, doubtful)
        return " ".join(filter(None, (done, f"The log {log_report.reach(logged)}.", warning)))


def settle_nobody_left(settler: Settler) -> str:
    """A person said that nobody unsubscribed, or that nobody can know."""
    with settler.db.begin() as session:
        _settle_nobody_left(settler, session)
    return "Nobody is unsubscribed."


def settle_unsubscribed(settler: Settler, file: Log) -> str:
    """Unsubscribe everybody whom a file names. Raises BadInput for one without an address: that is another file."""
    with settler.db.read() as session:
        require_hold(session)
    named = number = 0
    with file as texts:
        for mentions in read_mentions(texts, settler.signer):
            named += len(mentions.addresses)
            number += _unsubscribe(settler, list(mentions.addresses))
    if not named:
        raise BadInput("the file holds no email address; if nobody unsubscribed, say so instead")
    with settler.db.begin() as session:
        require_hold(session).unsubscribes_settled_at = settler.clock()
        settler.record(session, Verb.SETTLE, None, f"{number:,} unsubscribed since the backup")
    return f"{number:,} unsubscribed."


def settle_moved(settler: Settler) -> None:
    """The home was moved while nothing ran: nothing went out, and nobody left."""
    with settler.db.begin() as session:
        require_hold(session)
        for issue, question in restored.list_questions(session):
            if question.went_out is None:
                _settle_none(settler, session, issue)
        _settle_nobody_left(settler, session)


def mark(settler: Settler) -> int:
    """A person says that this database is a copy; returns how many issues are to be settled.

    Raises NotAllowed for one that is held already: what was said of it stays.
    """
    with settler.db.begin() as session:
        if restored.find_hold(session) is not None:
            raise NotAllowed("nothing is sent from this database already: see `digest restored`")
        now = settler.clock()
        reason = "a person marked this database as restored"
        waiting = restored.hold(session, reason, known_until=now, now=now)
        settler.record(session, Verb.HOLD, None, "")
    return waiting


def release(settler: Settler) -> None:
    """Allow sending again. Raises NotAllowed while something is still to be settled."""
    with settler.db.begin() as session:
        restored.release_hold(session, settler.clock())
        settler.record(session, Verb.RELEASE, None, "")


def _settle_none(settler: Settler, session: Session, issue: Issue) -> str:
    went_out.answer_none(session, issue, now=settler.clock(), by=settler.by)
    settler.record(session, Verb.SETTLE, issue, "nothing went out")
    goes_on = "" if issue.state == State.CANCELLED else ", and goes on from where it was"
    return f"Issue {issue.number} is {issue.state}{goes_on}."


def _settle_nobody_left(settler: Settler, session: Session) -> None:
    require_hold(session).unsubscribes_settled_at = settler.clock()
    settler.record(session, Verb.SETTLE, None, "nobody unsubscribed since the backup")


def _describe_logged(session: Session, issue: Issue, named: int, doubtful: int) -> str:
    remaining = count_outcomes(session, issue.id).remaining
    others = "it stays cancelled" if issue.state == State.CANCELLED else f"{remaining:,} remain"
    doubt = f" {doubtful:,} are unknown: the log names them, perhaps for another email." if doubtful else ""
    return f"Issue {issue.number}: the log names {named:,} readers; {others}.{doubt}"


def _unsubscribe(settler: Settler, keys: list[str]) -> int:
    """Unsubscribe these readers from every publication, in a transaction; returns how many that were."""
    rows = select(Subscription.publication_id, Subscription.subscriber_id)
    rows = rows.join(Subscriber, Subscriber.id == Subscription.subscriber_id)
    rows = rows.where(Subscriber.address_key.in_(keys))
    rows = rows.where(Subscription.status != SubscriptionStatus.UNSUBSCRIBED.value)
    with settler.db.begin() as session:
        now = settler.clock()
        return sum(
            unsubscribe.unsubscribe(session, publication_id, subscriber_id, source=settler.source, now=now)
            for publication_id, subscriber_id in session.execute(rows).all()
        )


def _freeze(settler: Settler, issue_id: int) -> None:
    """Freeze the issue with its audience, so that each reader has a row to be counted in."""
    given: dict[str, Any] = {"signer": settler.signer, "base_url": settler.base_url, "by": settler.by}
    try:
        with settler.db.begin() as session:
            issue = session.get_one(Issue, issue_id)
            has_readers = went_out.prepare_frozen(session, issue, now=settler.clock(), **given)
    except DigestError as error:
        raise NotAllowed(f"{error}; if it cannot be mended, cancel the issue") from None
    while has_readers and not _write_audience(settler, issue_id):
        time.sleep(GAP_SECONDS)


def _write_audience(settler: Settler, issue_id: int) -> bool:
    with settler.db.begin() as session:
        return freeze.write_next_audience(session, issue_id, settler.clock(), connections=settler.connections)

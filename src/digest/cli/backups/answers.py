"""What the commands of `digest restored` do and print."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.access.audit_verbs import Verb
from digest.audience import unsubscribe
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.cli.audit import record, record_issue
from digest.cli.issue_output import ACTOR, get_issue
from digest.db import utcnow
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.logged_readers import LoggedReaders, find_logged
from digest.delivery.ledger.provider_log import open_log, read_mentions
from digest.delivery.relays.accounts import count_connections
from digest.delivery.release import freeze, restored, went_out
from digest.delivery.release.went_out import WentOut
from digest.editorial.models import Issue, State
from digest.errors import DigestError, NotAllowed
from digest.installation.models import Installation
from digest.services import Services

GAP_SECONDS = 0.02  # between two steps, so that others get SQLite's lock


def require_hold(session: Session) -> Installation:
    """The installation of a database that is held. Raises NotAllowed for any other."""
    found = restored.find_hold(session)
    if found is None:
        raise NotAllowed("this database is neither restored nor a copy: there is nothing to settle")
    return found


def describe_hold(services: Services) -> dict[str, Any]:
    """Why nothing is sent, and what has to be settled."""
    with services.db.read() as session:
        return describe(session)


def describe(session: Session) -> dict[str, Any]:
    """The same, in the caller's transaction; an empty reason when nothing is held."""
    found = restored.find_hold(session)
    if found is None:
        return {"held": False, "reason": "", "known_until": None, "issues": [], "unsubscribes_settled": True}
    return {
        "held": True,
        "reason": found.hold_reason,
        "known_until": found.known_until.isoformat() if found.known_until else None,
        "issues": [
            {
                "issue": issue.number,
                "publication": issue.publication.slug,
                "subject": issue.subject,
                "was": question.was,
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


def format_hold(facts: Mapping[str, Any]) -> Iterator[str]:
    """The same as lines for a person."""
    if not facts["held"]:
        yield "This database is neither restored nor a copy: emails are sent as usual."
        return
    until = datetime.fromisoformat(facts["known_until"])
    yield f"Nothing is sent: {facts['reason']}."
    yield f"What happened after {until:%Y-%m-%d %H:%M} UTC is not in it. Before anything is sent, say:"
    for issue in facts["issues"]:
        subject = issue["subject"] or "no subject"
        yield f"  issue {issue['issue']} of {issue['publication']}, {subject}, was {issue['was']}: {_answer(issue)}"
    left = "settled" if facts["unsubscribes_settled"] else "digest restored unsubscribed FILE, or --nobody"
    yield f"  who unsubscribed since: {left}"
    yield "Nobody asks about drafts: cancel one that was sent since, or its readers get it twice."
    yield "If this home was moved while nothing ran: digest restored moved"


def settle_issue(services: Services, number: int, slug: str | None, answer: WentOut, log: Path | None) -> str:
    """Settle one issue; returns what that means, in a sentence."""
    if answer is WentOut.NONE:
        with services.db.begin() as session:
            return settle_none(session, get_issue(session, number, slug))
    issue_id = _freeze(services, number, slug)
    logged = _read_log(services, issue_id, log) if log is not None else None
    with services.db.begin() as session:
        issue = session.get_one(Issue, issue_id)
        if logged is None:
            counted = went_out.answer_all(session, issue, now=utcnow(), by=ACTOR)
            record_issue(session, Verb.SETTLE, issue, "all of it went out")
            return f"Issue {number} is {issue.state}: {counted:,} readers are counted as accepted."
        named, doubtful = went_out.answer_logged(session, issue, logged, now=utcnow(), by=ACTOR)
        record_issue(session, Verb.SETTLE, issue, f"the log names {named:,} readers")
        return describe_logged(session, issue, named, doubtful)


def describe_logged(session: Session, issue: Issue, named: int, doubtful: int) -> str:
    """What the log's names mean, in sentences."""
    remaining = count_outcomes(session, issue.id).remaining
    others = "it stays cancelled" if issue.state == State.CANCELLED else f"{remaining:,} remain"
    doubt = f" {doubtful:,} are unknown: the log names them, perhaps for another email." if doubtful else ""
    return f"Issue {issue.number}: the log names {named:,} readers; {others}.{doubt}"


def settle_none(session: Session, issue: Issue) -> str:
    """Nothing of the issue went out elsewhere."""
    went_out.answer_none(session, issue, now=utcnow(), by=ACTOR)
    record_issue(session, Verb.SETTLE, issue, "nothing went out")
    goes_on = "" if issue.state == State.CANCELLED else ", and goes on from where it was"
    return f"Issue {issue.number} is {issue.state}{goes_on}."


def settle_unsubscribes(services: Services, file: Path | None) -> str:
    """Unsubscribe everybody whom the file names; without a file, nobody."""
    if file is None:
        with services.db.begin() as session:
            settle_nobody_left(session)
        return "Nobody is unsubscribed."
    with services.db.read() as session:
        require_hold(session)
    with open_log(file) as texts:
        number = sum(
            _unsubscribe(services, list(mentions.addresses))
            for mentions in read_mentions(texts, services.signer)
        )
    with services.db.begin() as session:
        require_hold(session).unsubscribes_settled_at = utcnow()
        record(session, Verb.SETTLE, "setting", details=f"{number:,} unsubscribed since the backup")
    return f"{number:,} unsubscribed."


def settle_nobody_left(session: Session) -> None:
    """A person said that nobody unsubscribed, or that nobody can know."""
    require_hold(session).unsubscribes_settled_at = utcnow()
    record(session, Verb.SETTLE, "setting", details="nobody unsubscribed since the backup")


def settle_moved(services: Services) -> None:
    """The home was moved while nothing ran: nothing went out, and nobody left."""
    with services.db.begin() as session:
        require_hold(session)
        for issue, question in restored.list_questions(session):
            if question.went_out is None:
                settle_none(session, issue)
        settle_nobody_left(session)


def mark(services: Services) -> int:
    """A person says that this database is a copy; returns how many issues are to be settled."""
    with services.db.begin() as session:
        now = utcnow()
        waiting = restored.hold(
            session, "a person marked this database as restored", known_until=now, now=now
        )
        record(session, Verb.HOLD, "setting")
    return waiting


def release_if_settled(services: Services) -> str:
    """Allow sending again when everything is said; returns a sentence about it."""
    with services.db.begin() as session:
        if not is_settled(describe(session)):
            return "Something is still to be settled: see `digest restored`."
        restored.release_hold(session, utcnow())
        record(session, Verb.RELEASE, "setting")
    return "Everything is settled: emails are sent again. Resume or schedule the issues that wait."


def _answer(issue: Mapping[str, Any]) -> str:
    if issue["went_out"]:
        return f"settled, {issue['went_out']} went out"
    return f"digest restored issue {issue['issue']} --all, --none or --log FILE"


def _read_log(services: Services, issue_id: int, log: Path) -> LoggedReaders:
    """Whom the log names. It may take minutes, so nobody is kept from writing meanwhile."""
    with services.db.read() as session, open_log(log) as texts:
        return find_logged(session, services.signer, issue_id, texts)


def _unsubscribe(services: Services, keys: list[str]) -> int:
    """Unsubscribe these readers from every publication, in a transaction; returns how many that were."""
    rows = select(Subscription.publication_id, Subscription.subscriber_id)
    rows = rows.join(Subscriber, Subscriber.id == Subscription.subscriber_id)
    rows = rows.where(Subscriber.address_key.in_(keys))
    rows = rows.where(Subscription.status != SubscriptionStatus.UNSUBSCRIBED.value)
    with services.db.begin() as session:
        return sum(
            unsubscribe.unsubscribe(session, publication_id, subscriber_id, source="cli", now=utcnow())
            for publication_id, subscriber_id in session.execute(rows).all()
        )


def _freeze(services: Services, number: int, slug: str | None) -> int:
    """Freeze the issue with its audience, so that each reader has a row to be counted in. Returns its id."""
    try:
        with services.db.begin() as session:
            issue = get_issue(session, number, slug)
            issue_id = issue.id
            has_readers = went_out.prepare_frozen(
                session, issue, signer=services.signer, base_url=services.base_url, now=utcnow(), by=ACTOR
            )
    except DigestError as error:
        raise NotAllowed(f"{error}; if it cannot be mended, cancel the issue") from None
    connections = count_connections(services.relay)
    while has_readers and not _write_audience(services, issue_id, connections):
        time.sleep(GAP_SECONDS)
    return issue_id


def _write_audience(services: Services, issue_id: int, connections: int) -> bool:
    with services.db.begin() as session:
        return freeze.write_next_audience(session, issue_id, utcnow(), connections=connections)

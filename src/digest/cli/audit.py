"""Audit records of what the command line does, in the same transaction as the change."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.access import audit_log
from digest.access.audit_log import Actor
from digest.audience.address import normalize
from digest.audience.models import Subscriber
from digest.db import utcnow
from digest.editorial.models import Issue

ACTOR = Actor("command line")


def record(session: Session, verb: str, kind: str, number: int | None = None, words: str = "") -> None:
    """Record an action on anything but an issue; `kind` is one of `audit_log.KINDS`."""
    audit_log.record(session, ACTOR, verb, kind, number, now=utcnow(), details=words)


def record_issue(session: Session, verb: str, issue: Issue, words: str = "") -> None:
    """Record an action on an issue."""
    audit_log.record(
        session,
        ACTOR,
        verb,
        "issue",
        issue.number,
        now=utcnow(),
        details=words,
        publication_id=issue.publication_id,
    )


def find_subscriber_id(session: Session, address: str) -> int | None:
    """Id of the subscriber with this address, as audit records hold no addresses. Raises BadInput."""
    return session.scalar(select(Subscriber.id).where(Subscriber.address_key == normalize(address).key))

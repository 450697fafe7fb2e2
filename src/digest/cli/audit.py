"""Audit records of what the command line does, in the same transaction as the change."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.access import audit_log
from digest.access.audit_log import Actor
from digest.access.audit_verbs import Verb
from digest.audience.address import normalize
from digest.audience.models import Subscriber
from digest.db import utcnow
from digest.editorial.models import Issue

ACTOR = Actor("command line")


def record(
    session: Session, verb: Verb, kind: str, number: int | None = None, details: str = "", **values: Any
) -> None:
    """Record an action; `kind` is one of `audit_log.KINDS`, `values` are more arguments of `audit_log.record`."""
    audit_log.record(session, ACTOR, verb, kind, number, now=utcnow(), details=details, **values)


def record_issue(session: Session, verb: Verb, issue: Issue, details: str = "") -> None:
    """Record an action on an issue that leaves its state as it is."""
    record(session, verb, "issue", issue.number, details, publication_id=issue.publication_id)


@contextmanager
def record_issue_change(session: Session, verb: Verb, issue: Issue) -> Iterator[None]:
    """Record what the block does to the state, send time and cancel window of an issue."""
    with audit_log.record_issue_change(session, ACTOR, verb, issue, now=utcnow()):
        yield


def find_subscriber_id(session: Session, address: str) -> int | None:
    """Id of the subscriber with this address, as audit records hold no addresses. Raises BadInput."""
    return session.scalar(select(Subscriber.id).where(Subscriber.address_key == normalize(address).key))

"""What the command line writes into the log, in the transaction of what it tells of."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.access.audit_log import Who, write
from digest.audience.address import normal
from digest.audience.models import Subscriber
from digest.db import utcnow
from digest.editorial.models import Issue

ACTOR = Who("command line")


def record(session: Session, verb: str, kind: str, number: int | None = None, words: str = "") -> None:
    """A line about anything but an issue; `kind` is one of `access.log.KINDS`."""
    write(session, ACTOR, verb, kind, number, now=utcnow(), words=words)


def record_issue(session: Session, verb: str, issue: Issue, words: str = "") -> None:
    """A line about an issue."""
    paper = issue.publication_id
    write(session, ACTOR, verb, "issue", issue.number, now=utcnow(), words=words, publication_id=paper)


def find_subscriber_id(session: Session, address: str) -> int | None:
    """The number of the subscriber with this address, for the log holds no address. Raises BadInput."""
    return session.scalar(select(Subscriber.id).where(Subscriber.address_key == normal(address).key))

"""Rebuild one reader's copy of an issue from the frozen issue, byte for byte as the relay received it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.audience.address import normalize
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.delivery.ledger.message_factory import MessageFactory
from digest.delivery.ledger.models import Delivery, FrozenIssue, Outcome
from digest.delivery.letters import outbox
from digest.editorial.models import Issue
from digest.errors import NotAllowed, NotFound
from digest.signing import Signer

_MAILED_OUTCOMES = (Outcome.ACCEPTED, Outcome.FAILED, Outcome.UNKNOWN)


def rebuild_mail(session: Session, issue_id: int, subscriber_id: int, signer: Signer) -> bytes:
    """The exact mail (RFC 5322, CRLF) that this reader got or will get, whatever was edited since the freeze.

    Raises NotFound when the reader was excluded from the issue or has been erased, NotAllowed before the issue's first
    mail is sent, BadSetting when the signing key is gone.
    """
    delivery = session.execute(
        select(Delivery.outcome, Delivery.variant, Delivery.import_id, Subscriber.address, Issue.started_at)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .join(Issue, Issue.id == Delivery.issue_id)
        .where(Delivery.issue_id == issue_id, Delivery.subscriber_id == subscriber_id)
    ).one_or_none()
    if delivery is None:
        _refuse_when_deleted(session, issue_id)
    if delivery is None or delivery.outcome == Outcome.EXCLUDED:
        raise NotFound("this issue was not sent to this reader, so there is no copy")
    if delivery.address is None:
        raise NotFound("this reader was erased, so their copy can no longer be rebuilt")
    if delivery.started_at is None:  # the issue, and its links, can still be recalled
        raise NotAllowed("no email of this issue has been sent yet, so there is no copy")
    factory = MessageFactory.load(session, issue_id, signer)
    mail = factory.build(
        subscriber_id, delivery.address, variant=delivery.variant, import_id=delivery.import_id
    )
    return mail.data


def send_copy(session: Session, issue: Issue, subscriber_id: int, *, now: datetime) -> int:
    """Send one reader's copy once more; returns the letter's id. The ledger keeps the outcome of the first delivery.

    Raises NotFound when the issue was not sent to this reader, NotAllowed while their delivery is pending, or when they
    unsubscribed or are suppressed.
    """
    delivery = session.get(Delivery, (issue.id, subscriber_id))
    if delivery is None:
        _refuse_when_deleted(session, issue.id)
    if delivery is None or delivery.outcome == Outcome.EXCLUDED:
        raise NotFound(f"issue {issue.number} was not sent to this reader, so there is no copy to send again")
    if delivery.outcome not in _MAILED_OUTCOMES:
        raise NotAllowed(f"issue {issue.number} is still being sent to this reader")
    choice = session.get(Subscription, (subscriber_id, issue.publication_id))
    if not may_receive_copy(session.get_one(Subscriber, subscriber_id), choice):
        raise NotAllowed("this reader has unsubscribed or is suppressed, so no more email is sent to them")
    return outbox.enqueue_letter(
        session,
        outbox.COPY_KIND,
        now=now,
        publication_id=issue.publication_id,
        subscriber_id=subscriber_id,
        facts={"issue_id": issue.id},
    )


def _refuse_when_deleted(session: Session, issue_id: int) -> None:
    frozen = session.get(FrozenIssue, issue_id, options=FrozenIssue.without_content())
    if frozen is not None and frozen.deliveries_totalled_at is not None:
        raise NotFound("the deliveries of this issue were deleted, as DIGEST_KEEP_DELIVERIES_DAYS says")


def may_receive_copy(subscriber: Subscriber, choice: Subscription | None) -> bool:
    """Whether a reader may be sent a copy: subscribed, and neither suppressed nor erased. They may be paused."""
    is_mailable = subscriber.suppressed_at is None and subscriber.erased_at is None
    return is_mailable and choice is not None and choice.status == SubscriptionStatus.ACTIVE


def get_subscriber_id(session: Session, address: str) -> int:
    """The id of the subscriber with this address. Raises NotFound, BadInput."""
    key = normalize(address).key
    subscriber_id = session.scalar(select(Subscriber.id).where(Subscriber.address_key == key))
    if subscriber_id is None:
        raise NotFound(f"{address.strip()} is not a subscriber")
    return subscriber_id

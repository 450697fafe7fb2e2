"""One reader's copy of an issue, made again from what was frozen: byte for byte what the relay was given."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.audience.address import normalize
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.delivery.ledger.message_factory import MessageFactory
from digest.delivery.ledger.models import Delivery, Outcome
from digest.delivery.letters import outbox
from digest.editorial.models import Issue
from digest.errors import NotAllowed, NotFound
from digest.signing import Signer

_MAILED_OUTCOMES = (Outcome.ACCEPTED, Outcome.FAILED, Outcome.UNKNOWN)


def rebuild_mail(session: Session, issue_id: int, subscriber_id: int, signer: Signer) -> bytes:
    """The exact mail (RFC 5322, CRLF) of this reader, whatever was edited since.

    Raises NotFound when the issue was not to be mailed to them or they were erased since, NotAllowed before its first
    mail leaves, BadSetting when the key that signed it is gone.
    """
    found = session.execute(
        select(Delivery.outcome, Delivery.variant, Subscriber.address, Issue.started_at)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .join(Issue, Issue.id == Delivery.issue_id)
        .where(Delivery.issue_id == issue_id, Delivery.subscriber_id == subscriber_id)
    ).one_or_none()
    if found is None or found.outcome == Outcome.EXCLUDED:
        raise NotFound("this reader was not to get this issue, so there is no copy of it")
    if found.address is None:
        raise NotFound("this reader was erased, and with the address the copy is gone")
    if found.started_at is None:  # it can still be taken back, and its links with it
        raise NotAllowed("no mail of this issue has left yet, so there is no copy of it")
    maker = MessageFactory.load(session, issue_id, signer)
    return maker.build(subscriber_id, found.address, variant=found.variant).data


def send_copy(session: Session, issue: Issue, subscriber_id: int, *, now: datetime) -> int:
    """Post one reader's copy once more, beside the ledger, which keeps what became of the first; gives the letter.

    Raises NotFound as `again`, NotAllowed while the first is still to be sent or when they left or are suppressed.
    """
    delivery = session.get(Delivery, (issue.id, subscriber_id))
    if delivery is None or delivery.outcome == Outcome.EXCLUDED:
        raise NotFound(f"issue {issue.number} did not go to this reader, so there is no copy to send again")
    if delivery.outcome not in _MAILED_OUTCOMES:
        raise NotAllowed(f"issue {issue.number} is still on its way to this reader")
    choice = session.get(Subscription, (subscriber_id, issue.publication_id))
    if not may_receive_copy(session.get_one(Subscriber, subscriber_id), choice):
        raise NotAllowed("this reader left or must not be mailed; nothing is sent to them any more")
    facts, publication = {"issue_id": issue.id}, issue.publication_id
    return outbox.enqueue_letter(
        session,
        outbox.COPY_KIND,
        now=now,
        publication_id=publication,
        subscriber_id=subscriber_id,
        facts=facts,
    )


def may_receive_copy(subscriber: Subscriber, choice: Subscription | None) -> bool:
    """Whether a reader may be sent a copy: they are here, and nothing forbids their address. A pause does not."""
    free = subscriber.suppressed_at is None and subscriber.erased_at is None
    return free and choice is not None and choice.status == SubscriptionStatus.ACTIVE


def get_subscriber_id(session: Session, address: str) -> int:
    """The number of the subscriber with this address. Raises NotFound, BadInput."""
    key = normalize(address).key
    found = session.scalar(select(Subscriber.id).where(Subscriber.address_key == key))
    if found is None:
        raise NotFound(f"{address.strip()} is not a subscriber")
    return found

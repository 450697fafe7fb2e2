"""Signing up: one answer for everybody, and a letter that says the rest to the person alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, and_, case, or_, select, update
from sqlalchemy.orm import Session

from digest.audience import consent, suppression
from digest.audience.address import Address, normalize
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.db import upsert
from digest.errors import BadInput
from digest.publications.models import Publication
from digest.signing import Purpose, Signer

MIN_FORM_AGE = timedelta(seconds=2)  # nobody reads the words and types an address sooner
MAX_FORM_AGE = timedelta(hours=24)
LETTER_INTERVAL = timedelta(hours=24)
MAX_LETTERS = 3
COUNT_RESET_AFTER = timedelta(days=30)

Letter = Literal["confirm", "known"]


@dataclass(frozen=True)
class SignUp:
    """For the door alone: which letter to post, and to whom. What the visitor sees is always the same."""

    subscriber_id: int  # 0: nobody is to hear of this
    letter: Letter | None


def request_signup(
    session: Session,
    signer: Signer,
    *,
    publication: Publication,
    address: str,
    wording: str,
    network: str | None,
    agent: str | None,
    source: str,
    now: datetime,
) -> SignUp:
    """Take a sign-up. A letter goes out at most once in 24 hours, and three times in all while it is pending.

    A reader who left or is suppressed stays so until the letter's button is pressed; a complaint is never
    written to again. Raises BadInput when the address cannot be mailed.
    """
    wanted = normalize(address)
    found = suppression.find(session, signer, [wanted.key]).get(wanted.key)
    if found and found.reason == suppression.SuppressionReason.COMPLAINT:
        return SignUp(0, None)
    subscriber_id = _subscriber(session, wanted, found, now)
    _subscription(session, subscriber_id, publication.id, source, now)
    status = _claim_letter(session, subscriber_id, publication.id, now)
    if status is None:
        return SignUp(subscriber_id, None)
    if status == SubscriptionStatus.ACTIVE and not found:
        return SignUp(subscriber_id, "known")
    consent.record(
        session,
        subscriber_id=subscriber_id,
        publication_id=publication.id,
        kind=consent.Kind.REQUESTED,
        source=source,
        wording=wording,
        network=network,
        agent=agent,
        now=now,
    )
    return SignUp(subscriber_id, "confirm")


def form_token(signer: Signer, now: datetime) -> str:
    """When the form was shown, signed: for a hidden field."""
    return signer.mint(Purpose.FORM, int(now.timestamp()))


def check_form(signer: Signer, token: str, now: datetime) -> None:
    """Refuse a form that came back in under two seconds or after a day (BadInput), or was not ours (BadToken)."""
    numbers = signer.verify(Purpose.FORM, token)
    # The token holds whole seconds: what is left of them is the visitor's.
    age = timedelta(seconds=int(now.timestamp()) - numbers[0]) if len(numbers) == 1 else MAX_FORM_AGE
    if age < MIN_FORM_AGE:
        raise BadInput("that was faster than a person can type; please press the button once more")
    if age >= MAX_FORM_AGE:
        raise BadInput("this page was open for more than a day; please send the form once more")


def next_letter(now: datetime) -> ColumnElement[bool]:
    """Whether a subscription may be sent a letter that it did not surely ask for: the form is no cannon."""
    old = Subscription.confirmation_sent_at <= now - COUNT_RESET_AFTER
    return or_(
        Subscription.confirmation_sent_at.is_(None),
        and_(
            Subscription.confirmation_sent_at <= now - LETTER_INTERVAL,
            or_(
                Subscription.confirmation_count < MAX_LETTERS,
                and_(Subscription.status != SubscriptionStatus.PENDING.value, old),
            ),
        ),
    )


def claim_letters(
    session: Session, subscriber_ids: Sequence[int], publication_id: int, now: datetime
) -> dict[int, str]:
    """Count a letter for each of these that is due one; gives back their status_counts by subscriber id.

    `requested_at` moves with the letter, so that repeating a form neither keeps a pending sign-up alive for
    ever nor makes an old request look fresh.
    """
    start_anew = and_(
        Subscription.status != SubscriptionStatus.PENDING.value,
        Subscription.confirmation_sent_at <= now - COUNT_RESET_AFTER,
    )
    taken = session.execute(
        update(Subscription)
        .where(
            Subscription.subscriber_id.in_(subscriber_ids),
            Subscription.publication_id == publication_id,
            next_letter(now),
        )
        .values(
            confirmation_sent_at=now,
            confirmation_count=case((start_anew, 1), else_=Subscription.confirmation_count + 1),
            requested_at=now,
        )
        .returning(Subscription.subscriber_id, Subscription.status)
        .execution_options(synchronize_session=False)
    )
    return dict(taken.all())


def _claim_letter(session: Session, subscriber_id: int, publication_id: int, now: datetime) -> str | None:
    return claim_letters(session, [subscriber_id], publication_id, now).get(subscriber_id)


def _subscriber(
    session: Session, wanted: Address, found: suppression.SuppressionMatch | None, now: datetime
) -> int:
    session.execute(
        upsert(session, Subscriber)
        .values(
            address=wanted.address,
            address_key=wanted.key,
            created_at=now,
            suppressed_at=found.at if found else None,
            suppressed_for=found.reason if found else None,
            suppression=found.hash if found else None,
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(select(Subscriber.id).where(Subscriber.address_key == wanted.key)).one()


def _subscription(
    session: Session, subscriber_id: int, publication_id: int, source: str, now: datetime
) -> None:
    session.execute(
        upsert(session, Subscription)
        .values(
            subscriber_id=subscriber_id,
            publication_id=publication_id,
            status=SubscriptionStatus.PENDING.value,
            source=source,
            requested_at=now,
            confirmation_count=0,
        )
        .on_conflict_do_nothing()
    )

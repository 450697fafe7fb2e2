"""Signing up: every visitor sees the same answer; only the letter to the address says more."""

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
from digest.errors import BadInput, BadToken
from digest.publications.models import Publication
from digest.signing import Purpose, Signer

MIN_FORM_AGE = timedelta(seconds=2)  # nobody reads the form and types an address faster
MAX_FORM_AGE = timedelta(hours=24)
LETTER_INTERVAL = timedelta(hours=24)
MAX_LETTERS = 3
COUNT_RESET_AFTER = timedelta(days=30)

Letter = Literal["confirm", "known"]


@dataclass(frozen=True)
class SignUp:
    """Which letter to send, and to which subscriber. For the caller only: the visitor always sees the same answer."""

    subscriber_id: int  # 0: nobody; the address must not be mailed
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
    """Record a sign-up. At most one letter is sent in 24 hours, and three in all while the sign-up is pending.

    A reader who unsubscribed or is suppressed stays so until they confirm; one who complained is never mailed again.
    Raises BadInput when the address cannot be mailed.
    """
    normalized = normalize(address)
    suppressed = suppression.find(session, signer, [normalized.key]).get(normalized.key)
    if suppressed and suppressed.reason == suppression.SuppressionReason.COMPLAINT:
        return SignUp(0, None)
    subscriber_id = _subscriber(session, normalized, suppressed, now)
    _subscription(session, subscriber_id, publication.id, source, now)
    status = _claim_letter(session, subscriber_id, publication.id, now)
    if status is None:
        return SignUp(subscriber_id, None)
    if status == SubscriptionStatus.ACTIVE and not suppressed:
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
    """Return a signed token with the time the form was shown, for a hidden field."""
    return signer.mint(Purpose.FORM, int(now.timestamp()))


def renew_form_token(signer: Signer, token: str, now: datetime) -> str:
    """The token for a form that is shown again: the same, so that the time of typing counts; a new one for an old one.

    A token that is not ours is replaced by one that counts from now.
    """
    try:
        issued = signer.verify(Purpose.FORM, token)
    except BadToken:
        return form_token(signer, now)
    if len(issued) == 1 and int(now.timestamp()) - issued[0] < MAX_FORM_AGE.total_seconds():
        return token
    return form_token(signer, now - MIN_FORM_AGE)


def check_form(signer: Signer, token: str, now: datetime) -> None:
    """Check a form's age. Raises BadInput under two seconds or after a day, BadToken for a token that is not ours."""
    numbers = signer.verify(Purpose.FORM, token)
    # The token holds whole seconds; rounding is in the visitor's favor.
    age = timedelta(seconds=int(now.timestamp()) - numbers[0]) if len(numbers) == 1 else MAX_FORM_AGE
    if age < MIN_FORM_AGE:
        raise BadInput("that was faster than a person can type; please press the button again")
    if age >= MAX_FORM_AGE:
        raise BadInput("this page was open for more than a day; please send the form again")


def next_letter(now: datetime) -> ColumnElement[bool]:
    """Whether a subscription may be sent another letter; limits abuse of the form to flood an address."""
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


def due_letters(
    session: Session, subscriber_ids: Sequence[int], publication_id: int, now: datetime
) -> Sequence[int]:
    """Return those of these subscribers whom `claim_letters` would claim."""
    return session.scalars(
        select(Subscription.subscriber_id).where(
            Subscription.subscriber_id.in_(subscriber_ids),
            Subscription.publication_id == publication_id,
            next_letter(now),
        )
    ).all()


def claim_letters(
    session: Session, subscriber_ids: Sequence[int], publication_id: int, now: datetime
) -> dict[int, str]:
    """Count a letter for each of these subscribers who is due one; return their statuses by subscriber id.

    `requested_at` changes only with the letter, so that repeating the form neither keeps a pending sign-up alive
    forever nor makes an old request look new.
    """
    start_anew = and_(
        Subscription.status != SubscriptionStatus.PENDING.value,
        Subscription.confirmation_sent_at <= now - COUNT_RESET_AFTER,
    )
    claimed = session.execute(
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
    return dict(claimed.all())


def _claim_letter(session: Session, subscriber_id: int, publication_id: int, now: datetime) -> str | None:
    return claim_letters(session, [subscriber_id], publication_id, now).get(subscriber_id)


def _subscriber(
    session: Session, normalized: Address, suppressed: suppression.SuppressionMatch | None, now: datetime
) -> int:
    session.execute(
        upsert(session, Subscriber)
        .values(
            address=normalized.address,
            address_key=normalized.key,
            created_at=now,
            suppressed_at=suppressed.at if suppressed else None,
            suppressed_for=suppressed.reason if suppressed else None,
            suppression=suppressed.hash if suppressed else None,
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(select(Subscriber.id).where(Subscriber.address_key == normalized.key)).one()


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

"""Builders for the tests of the audience: a publication, and readers who did something."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.audience import confirm, eligibility, signup, suppression
from digest.audience.address import normalize
from digest.audience.models import Subscriber
from digest.publications.models import Publication
from digest.signing import Signer

NOW = datetime(2026, 10, 6, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WORDS = "Send me the weekly verdicts. I can leave at any time."


def create_publication(session: Session, slug: str = "verdicts") -> Publication:
    made = Publication(
        slug=slug,
        name="The Verdict",
        tagline="Tools, judged.",
        sender_name="The Verdict",
        sender_address="news@example.org",
        postal_address="1 Example Street",
        zone="Europe/Berlin",
        weekday=1,
        at="09:00",
        created_at=NOW,
    )
    session.add(made)
    session.flush()
    return made


def sign_up(
    session: Session, signer: Signer, of: Publication, address: str, now: datetime = NOW
) -> signup.SignUp:
    return signup.request_signup(
        session,
        signer,
        publication=of,
        address=address,
        wording=WORDS,
        network="203.0.113.77",
        agent="Firefox",
        source="form",
        now=now,
    )


def press_confirm(
    session: Session, of: Publication, subscriber_id: int, now: datetime = NOW
) -> confirm.Confirmation:
    return confirm.confirm(
        session,
        of.id,
        subscriber_id,
        wording="Yes, subscribe me",
        network="2001:db8:1:2::3",
        agent="Firefox",
        now=now,
    )


def create_reader(
    session: Session, signer: Signer, of: Publication, address: str, now: datetime = NOW
) -> int:
    subscriber_id = sign_up(session, signer, of, address, now).subscriber_id
    press_confirm(session, of, subscriber_id, now)
    return subscriber_id


def reachable_ids(session: Session, of: Publication, now: datetime = NOW) -> set[int]:
    rows = session.execute(eligibility.audience(of.id, now))
    return {subscriber_id for subscriber_id, why_not in rows if why_not is None}


def subscriber_id_of(session: Session, address: str) -> int | None:
    return session.scalar(select(Subscriber.id).where(Subscriber.address_key == normalize(address).key))


def is_suppressed(session: Session, signer: Signer, address: str) -> bool:
    return bool(suppression.find(session, signer, [normalize(address).key]))

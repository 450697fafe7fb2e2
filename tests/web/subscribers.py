"""Create subscribers in any status, directly in the tables."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from digest.audience.models import Subscriber, Subscription

SUBSCRIBED_AT = datetime(2026, 9, 1, tzinfo=UTC)


def create_subscriber(session: Session, publication_id: int, address: str, status: str = "active") -> int:
    """Create a subscriber with one subscription and return their id."""
    made = Subscriber(address=address, address_key=address, created_at=SUBSCRIBED_AT)
    session.add(made)
    session.flush()
    session.add(
        Subscription(
            subscriber_id=made.id,
            publication_id=publication_id,
            status=status,
            source="form",
            requested_at=SUBSCRIBED_AT,
            confirmed_at=None if status == "pending" else SUBSCRIBED_AT,
            unsubscribed_at=SUBSCRIBED_AT if status == "unsubscribed" else None,
        )
    )
    session.flush()
    return made.id

"""How a reader came to be subscribed, in words for that reader."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.audience.models import SubscriberImport
from digest.bidi import isolate

SUBSCRIBED = "you subscribed to it"
UNKNOWN = "this address is subscribed to it"
MAX_SOURCE_CHARS = 200


def load_origins(session: Session, publication_id: int) -> Mapping[int | None, str]:
    """Why readers are subscribed, by the import that subscribed them; None: they did it themselves.

    Each text ends a sentence such as "You receive this email because …". An import's row never changes its source, so
    that a mail can be made again with the same words.
    """
    rows = session.execute(
        select(SubscriberImport.id, SubscriberImport.source, SubscriberImport.started_at).where(
            SubscriberImport.publication_id == publication_id
        )
    )
    return {None: SUBSCRIBED, **{number: _imported(source, at) for number, source, at in rows}}


def _imported(source: str, at: datetime) -> str:
    stated = " ".join(source.split())[:MAX_SOURCE_CHARS]
    return f"its publisher imported your address on {at.day} {at:%B %Y} (stated source: {isolate(stated)})"

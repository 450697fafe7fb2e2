"""The outbox: each letter to be sent is a row, written in the same transaction as the change it reports."""

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Letter
from digest.errors import BadInput

TEST_KIND = "test"  # a test send of an issue, to any address
COPY_KIND = "copy"  # a reader's own copy of an issue, sent again


def enqueue_letter(
    session: Session,
    kind: str,
    *,
    now: datetime,
    publication_id: int | None = None,
    subscriber_id: int | None = None,
    user_id: int | None = None,
    address: str | None = None,
    facts: Mapping[str, object] | None = None,
) -> int:
    """Put a letter of this kind (see render.letters; also "test" and "copy") into the outbox; returns its id.

    It goes to exactly one of: a subscriber, a user, or a bare `address`; BadInput is raised otherwise. `facts` are the
    letter's contents except links. They never hold tokens, which are minted when the letter is sent.
    """
    if sum(recipient is not None for recipient in (subscriber_id, user_id, address)) != 1:
        raise BadInput(f"a {kind} letter needs exactly one subscriber, user or address")
    letter = Letter(
        kind=kind,
        publication_id=publication_id,
        subscriber_id=subscriber_id,
        user_id=user_id,
        address=address,
        facts=json.dumps(dict(facts or {}), ensure_ascii=False),
        due_at=now,
        created_at=now,
    )
    session.add(letter)
    session.flush()
    return letter.id

"""The outbox: a letter that is to be sent is a row, written in the same transaction as what it is about."""

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Letter
from digest.errors import BadInput

TEST_KIND = "test"  # a marked mail of an issue, to anybody
COPY_KIND = "copy"  # a reader's own mail of an issue once more


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
    """Put a letter of this kind (render.letters, "test" or "copy") into the outbox; gives its row.

    To a subscriber, a user or a bare `address`: one of the three. `facts` are what the letter says besides links,
    never a token: tokens are minted when it is sent. Raises BadInput when there is not exactly one addressee.
    """
    if sum(one is not None for one in (subscriber_id, user_id, address)) != 1:
        raise BadInput(f"a letter {kind} goes to one subscriber, one user or one address")
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

"""No words of the relay's that outlive a reader's row say whom they were about."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import inspect, select, text
from tests.delivery.factories import frozen, state, work
from tests.relay import Relay, Script

from digest.db import Database, utcnow
from digest.delivery.ledger.masking import mask_addresses
from digest.delivery.ledger.models import FrozenIssue
from digest.delivery.ledger.retention import erase_person
from digest.editorial import users
from digest.signing import Signer

SAID = {
    "550 5.1.1 <ada@example.org>: no such user": "550 5.1.1 <•••@example.org>: no such user",
    "ada.b+news@example.org is unknown": "•••@example.org is unknown",
    '"ada lovelace"@example.org': "•••@example.org",
    "bounce+ada=example.org@ours.example": "•••@ours.example",
    "jörg@bücher.example, ada@[192.0.2.1]": "•••@bücher.example, •••@[192.0.2.1]",
    "see https://x.example/?e=ada%2Bb%40example.org&y": "see https://x.example/?e=•••%40example.org&y",
    "421 4.3.2 bye @ all": "421 4.3.2 bye @ all",
}


@pytest.mark.parametrize("words", SAID)
def test_an_address_is_masked_but_for_its_domain(words: str) -> None:
    assert mask_addresses(words) == SAID[words]


@given(
    st.from_regex(r"[A-Za-z0-9.!#$&'*+/=?^_~-]{1,64}", fullmatch=True),
    st.text(max_size=40),
    st.sampled_from([" ", "<", ",", ";", "(", ":"]),
)
def test_whatever_stands_around_it_nothing_of_an_address_is_left(local: str, around: str, edge: str) -> None:
    words = mask_addresses(f"{around}{edge}{local}@example.org{edge}{around}")
    assert f"{edge}{local}@" not in words
    assert "•••@example.org" in words


def reached(db: Database, folder: Path, script: Script) -> int:
    with db.begin() as session:
        users.invite_user(session, "owner@verdicts.io", "owner", utcnow())
    number = frozen(db, readers=3)
    with Relay(script) as relay:
        work(db, folder, relay.url + "?connections=1")
    return number


def told(db: Database) -> str:
    """All that the database says, but for what the relay answered about a reader and where they live."""
    with db.read() as session:
        words = []
        for table in inspect(db.engine).get_table_names():
            if table not in {"subscriber", "delivery"}:
                words += [str(tuple(row)) for row in session.execute(text(f'SELECT * FROM "{table}"'))]
        return "\n".join(words)


@pytest.mark.parametrize(
    "reply", ["550 5.7.1 reader1@example.org: we do not like you", "450 4.3.2 reader1@example.org: later"]
)
def test_neither_a_pause_nor_a_wait_says_at_whom_the_relay_stopped(
    db: Database, tmp_path: Path, signer: Signer, reply: str
) -> None:
    script = Script(every_mail=reply)
    number = reached(db, tmp_path, script)
    with db.read() as session:
        found = session.scalars(select(FrozenIssue).where(FrozenIssue.issue_id == number)).one()
        why = (state(db, number).pause_reason or "") + (found.backoff_reason or "")
    assert "•••@example.org" in why
    with db.begin() as session:
        assert erase_person(session, signer, "reader1@example.org", utcnow())
    assert "reader1@" not in told(db)

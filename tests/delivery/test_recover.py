"""What is done with the evidence of a claim that is over: it settles what it can, and goes."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.delivery.mailroom import frozen, row, tally, work

from digest.db import Database, utcnow
from digest.delivery import claim, evidence, recover
from digest.delivery.claim import Claim
from digest.delivery.evidence import ACCEPTED, HANDED_OVER, REFUSED, Evidence

NOWHERE = "smtp://127.0.0.1:9"


def crashed(db: Database, home: Path, marks: list[int]) -> Claim:
    """A claim of `home` whose process died after it had marked so much."""
    with db.begin() as session:
        held = claim.claim(session, holder=f"{evidence.home_id(home)}:1:1", now=utcnow(), connections=1)
        assert held is not None
        assert claim.renew(session, held, utcnow(), started=len(marks) + 1)
    file = Evidence(home, held.batch_id, held.fence, held.size)
    for place, mark in enumerate(marks):
        file.mark(place, mark)
    file.close(settled=False)
    return held


def test_the_file_of_a_claim_that_was_taken_over_goes_after_the_commit(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=10)
    held = crashed(db, tmp_path, [ACCEPTED, REFUSED, HANDED_OVER])
    with pytest.raises(ZeroDivisionError), db.begin() as session:  # as a crash before the commit would
        assert recover.recover(session, tmp_path, utcnow()) == 1
        assert recover.settle_spent(session, tmp_path, utcnow()) == [(held.batch_id, held.fence)]
        raise ZeroDivisionError
    assert evidence.left(tmp_path) == [(held.batch_id, held.fence)]
    work(db, tmp_path, NOWHERE)
    assert evidence.left(tmp_path) == []
    found = tally(db, number)
    assert (found.accepted, found.unknown, found.remaining) == (1, 1, 8)


def test_the_file_of_a_claim_in_hand_stays(sqlite: Database, tmp_path: Path) -> None:
    frozen(sqlite, readers=10)
    with sqlite.begin() as session:
        held = claim.claim(session, holder=f"{evidence.home_id(tmp_path)}:1:1", now=utcnow(), connections=1)
    assert held is not None
    file = Evidence(tmp_path, held.batch_id, held.fence, held.size)
    work(sqlite, tmp_path, NOWHERE)
    assert evidence.left(tmp_path) == [(held.batch_id, held.fence)]
    with sqlite.begin() as session:  # given back, and killed before the file was removed
        claim.let_go(session, held, utcnow(), reached=held.size)
    file.close(settled=False)
    work(sqlite, tmp_path, NOWHERE)
    assert evidence.left(tmp_path) == []


def test_what_another_machine_could_not_know_is_settled_by_our_marks(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=10)
    crashed(db, tmp_path / "a", [ACCEPTED, REFUSED, HANDED_OVER, ACCEPTED])
    with db.begin() as session:
        later = utcnow() + timedelta(minutes=5)
        assert recover.recover(session, tmp_path / "b", later) == 1
    assert tally(db, number).unknown == 5
    work(db, tmp_path / "b", NOWHERE)
    assert tally(db, number).unknown == 5
    work(db, tmp_path / "a", NOWHERE)
    found = tally(db, number)
    assert (found.accepted, found.unknown, found.remaining) == (2, 3, 5)
    assert [row(db, number, reader).outcome for reader in (1, 2, 3, 4)] == [
        "accepted",
        "unknown",
        "unknown",
        "accepted",
    ]
    assert evidence.left(tmp_path / "a") == []

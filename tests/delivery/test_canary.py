"""The canary against a real relay: who goes first, what stops the rest, and what lets it go on."""

import logging
from collections import Counter, defaultdict, deque
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from tests.delivery.factories import (
    address,
    frozen,
    impatient,
    reconcile,
    row,
    state,
    tally,
    until_done,
    work,
)
from tests.relay import Relay, Script, replies_for

from digest.audience.models import Subscription
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Letter
from digest.delivery.release import canary, control, refusals
from digest.delivery.release.report import build_report
from digest.editorial import transitions, users
from digest.editorial.models import Issue, Role

NO = "550 5.1.1 no such user"


def first_ones(db: Database, issue_id: int) -> list[int]:
    with db.read() as session:
        mine = select(Batch.id).where(Batch.issue_id == issue_id, Batch.is_canary)
        rows = select(Delivery.subscriber_id).where(Delivery.batch_id.in_(mine))
        return sorted(session.scalars(rows))


def resume(db: Database, issue_id: int) -> None:
    with db.begin() as session:
        control.resume(session, session.get_one(Issue, issue_id), now=utcnow(), by="test")


def canary_of(db: Database, issue_id: int) -> dict[str, object]:
    with db.read() as session:
        found = build_report(session, issue_id, utcnow())["canary"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("mails", "first"), [(0, 0), (200, 0), (201, 20), (5000, 50), (99_999, 999), (10_000_000, 1000)]
)
def test_a_canary_is_a_hundredth_within_bounds(mails: int, first: int) -> None:
    assert canary.canary_size(mails) == first


@given(sizes=st.lists(st.integers(1, 1000), min_size=1, max_size=40), start=st.integers(0, 2**32 - 1))
@example(sizes=[1, 1, 1, 897], start=360)
def test_the_canary_is_spread_evenly_and_nobody_is_in_it_twice(sizes: list[int], start: int) -> None:
    total = sum(sizes)
    number = canary.canary_size(total) or 1
    seats = list(canary._spread_evenly(list(enumerate(sizes)), number, start))
    assert len(set(seats)) == number
    assert all(0 <= place < sizes[batch] for batch, place in seats)
    flat = [sum(sizes[:batch]) + place for batch, place in seats]
    assert flat == sorted(flat)
    gaps = {after - before for before, after in pairwise(flat)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_small_audience_has_no_canary(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=200)
    with Relay() as relay:
        work(db, tmp_path, relay.url)
        assert relay.count == 200
    with db.read() as session:
        assert build_report(session, number, utcnow())["canary"] is None


def test_the_rest_waits_for_the_canary_and_follows_a_good_one(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=2400)
    first = first_ones(db, number)
    assert len(first) == 24
    assert max(first) - min(first) > 2000
    with Relay() as relay:
        found = until_done(db, tmp_path, relay.url, number)
    assert sorted(relay.recipients[:24]) == sorted(map(address, first))
    assert Counter(relay.recipients) == {address(n): 1 for n in range(1, 2401)}
    assert (found.planned, found.accepted, state(db, number).state) == (2400, 2400, "sent")
    told = canary_of(db, number)
    assert (told["state"], told["size"], told["answered"], told["refused"]) == ("passed", 24, 24, 0)


def test_a_refused_canary_pauses_the_issue_and_tells_the_editors(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=500)
    with db.begin() as session:
        users.invite_user(session, "ada@example.org", Role.OWNER, utcnow())
        posted = session.scalar(select(func.count()).select_from(Letter)) or 0
    bad = [address(n) for n in first_ones(db, number)[::7]]
    with Relay(Script(rcpt=replies_for(bad, *[NO] * 9))) as relay:
        until_done(db, tmp_path, relay.url, number, runs=3)
        assert relay.count == 17
        assert tally(db, number).remaining == 480
        paused = state(db, number)
        assert paused.state == "paused"
        assert paused.pause_reason == f"3 of 20 canary emails were refused: {NO}; review, then resume"
        with db.read() as session:
            letters = session.scalars(select(Letter).where(Letter.kind == "notice")).all()
            assert len(letters) == posted + 1
            assert "3 of 20" in letters[-1].facts
        assert canary_of(db, number)["state"] == "stopped"
        for _ in range(3):
            reconcile(db)
        work(db, tmp_path, relay.url)
        assert relay.count == 17
        resume(db, number)
        found = until_done(db, tmp_path, relay.url, number)
    assert (found.accepted, found.failed, state(db, number).state) == (497, 3, "sent")
    assert canary_of(db, number)["state"] == "passed"


@pytest.mark.parametrize("put_off", [0, 5])
def test_one_mailbox_that_is_gone_lets_the_rest_go(sqlite: Database, tmp_path: Path, put_off: int) -> None:
    number = frozen(sqlite, readers=300)
    one, *others = map(address, first_ones(sqlite, number))
    answers = {**replies_for([one], NO), **replies_for(others[:put_off], "451 4.7.1 come back later")}
    with Relay(Script(rcpt=defaultdict(deque, answers))) as relay:
        found = until_done(sqlite, tmp_path, relay.url, number)
    assert (found.accepted, found.failed, state(sqlite, number).state) == (299, 1, "sent")


def test_a_canary_that_is_put_off_holds_nobody_up(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=400)
    grey = replies_for(map(address, first_ones(db, number)), "451 4.7.1 come back later")
    with Relay(Script(rcpt=grey)) as relay:
        found = until_done(db, tmp_path, relay.url, number)
    assert Counter(relay.recipients) == {address(n): 1 for n in range(1, 401)}
    assert (found.accepted, state(db, number).state) == (400, "sent")


def test_a_few_answers_that_are_all_refusals_stop_the_rest(
    db: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "digest")
    number = frozen(db, readers=400)
    first = [address(n) for n in first_ones(db, number)]
    script = replies_for(first[:8], NO) | replies_for(first[8:], "451 4.7.1 greylisted, come back later")
    with Relay(Script(rcpt=script)) as relay:
        work(db, tmp_path, relay.url)
        reconcile(db)
        assert relay.count == 0
    paused = state(db, number)
    assert paused.state == "paused"
    assert (paused.pause_reason or "").startswith("8 of 8 canary emails were refused")
    [line] = [line for line in caplog.records if line.getMessage() == "canary stopped"]
    assert (line.issue, line.answered, line.refused) == (number, 8, 8)  # type: ignore[attr-defined] # extra facts


def test_the_rest_waits_for_the_second_try_of_a_canary_that_said_little(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=400)
    first = [address(n) for n in first_ones(db, number)]
    script = replies_for(first[:1], NO) | replies_for(first[1:], "451 4.7.1 greylisted, come back later")
    with Relay(Script(rcpt=script)) as relay:
        work(db, tmp_path, relay.url, retry_delay=timedelta(minutes=5))
        reconcile(db)
        work(db, tmp_path, relay.url)
        assert (relay.count, canary_of(db, number)["state"]) == (0, "sending")
        impatient(db)
        reconcile(db)
        with db.read() as session:
            alone = select(func.sum(Batch.size)).where(Batch.is_canary, Batch.done_at.is_(None))
            assert session.scalar(alone) == 19, "those of the canary, and no others"
        found = until_done(db, tmp_path, relay.url, number)
    assert sorted(relay.recipients[:19]) == sorted(first[1:])
    assert (found.accepted, found.failed, state(db, number).state) == (399, 1, "sent")


def test_a_canary_that_says_little_is_waited_for_a_quarter_of_an_hour(
    sqlite: Database, tmp_path: Path
) -> None:
    number = frozen(sqlite, readers=400)
    first = [address(n) for n in first_ones(sqlite, number)]
    script = replies_for(first[:1], NO) | replies_for(first[1:], "451 4.7.1 greylisted")
    with Relay(Script(rcpt=script)) as relay:
        work(sqlite, tmp_path, relay.url, retry_delay=timedelta(minutes=5))
    for minutes, passed in ((1, []), (14, []), (16, [number])):
        with sqlite.begin() as session:
            assert canary.judge_canaries(session, utcnow() + timedelta(minutes=minutes)) == passed


def test_a_canary_whose_readers_have_all_left_holds_nobody_up(sqlite: Database, tmp_path: Path) -> None:
    number = frozen(sqlite, readers=300)
    with sqlite.begin() as session:
        gone = Subscription.subscriber_id.in_(first_ones(sqlite, number))
        session.execute(
            update(Subscription).where(gone).values(status="unsubscribed", unsubscribed_at=utcnow())
        )
    with Relay() as relay:
        found = until_done(sqlite, tmp_path, relay.url, number)
    assert (found.accepted, found.excluded) == (280, 20)


def test_an_issue_paused_by_hand_amid_its_canary_goes_on_with_the_canary(
    sqlite: Database, tmp_path: Path
) -> None:
    number = frozen(sqlite, readers=300)
    with sqlite.begin() as session:
        control.pause(session, session.get_one(Issue, number), now=utcnow(), by="test")
    reconcile(sqlite)
    resume(sqlite, number)
    bad = replies_for(map(address, first_ones(sqlite, number)[::5]), NO)
    with Relay(Script(rcpt=bad)) as relay:
        until_done(sqlite, tmp_path, relay.url, number, runs=3)
        assert relay.count == 16
    assert state(sqlite, number).state == "paused"


def test_two_clocks_judge_a_canary_once(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=500)
    with Relay(Script(rcpt=replies_for(map(address, first_ones(db, number)[::5]), NO))) as relay:
        work(db, tmp_path, relay.url)
        for _ in range(3):
            reconcile(db)
    with db.read() as session:
        found = session.get_one(FrozenIssue, number)
        assert found.canary_judged_at is not None
        assert found.canary_passed_at is None
        assert [line.to_state for line in transitions.list_transitions(session, number)] == [
            "sending",
            "paused",
        ]


def test_many_refusals_on_the_way_stop_an_issue_until_a_person_looked(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=1500)
    first = set(first_ones(db, number))
    bad = [address(n) for n in range(1, 1501) if n % 7 == 0 and n not in first]
    with Relay(Script(rcpt=replies_for(bad, *[NO] * 9))) as relay:
        for upto in range(250, 1500, 250):
            work(db, tmp_path, relay.url, stopping=lambda upto=upto: relay.count >= upto)
            reconcile(db)
            if state(db, number).state == "paused":
                break
        stopped = state(db, number)
        assert stopped.state == "paused"
        assert "emails were refused: 550 5.1.1" in (stopped.pause_reason or "")
        assert tally(db, number).remaining > 0
        resume(db, number)
        until_done(db, tmp_path, relay.url, number)
    assert state(db, number).state == "sent"
    assert tally(db, number).failed == len(bad)


def test_giving_up_on_a_slow_receiver_is_no_refusal(sqlite: Database) -> None:
    number = frozen(sqlite, readers=20)
    with sqlite.begin() as session:
        mine = update(Delivery).where(Delivery.issue_id == number)
        session.execute(mine.values(outcome="failed", reason="gave up after 451 4.2.1", ended_at=utcnow()))
        batch = row(sqlite, number, 1).batch_id
        assert batch is not None
        assert refusals.count_refusals(session, 1, [batch]) == refusals.RefusalCounts(answered=20, refused=0)

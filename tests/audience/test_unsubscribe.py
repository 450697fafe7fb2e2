"""Leaving, pausing, erasing, and who may then be mailed."""

import pytest
from sqlalchemy import select
from tests.audience.subscribers import (
    DAY,
    HOUR,
    NOW,
    create_publication,
    create_reader,
    is_suppressed,
    press_confirm,
    reachable_ids,
    sign_up,
    subscriber_id_of,
)

from digest.audience import consent, eligibility, erase, preferences, suppression, unsubscribe
from digest.audience.models import ConsentEvent, Subscriber
from digest.db import Database
from digest.errors import BadInput, NotFound
from digest.signing import Signer


def test_an_unsubscribed_reader_gets_no_email_and_can_undo_it_for_thirty_days(
    db: Database, signer: Signer
) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        assert unsubscribe.unsubscribe(session, of.id, subscriber_id, source="header", now=NOW + HOUR)
        assert not unsubscribe.unsubscribe(session, of.id, subscriber_id, source="header", now=NOW + 2 * HOUR)
        assert reachable_ids(session, of, NOW + DAY) == set()
        assert unsubscribe.resubscribe(session, of.id, subscriber_id, source="page", now=NOW + 29 * DAY)
        assert not unsubscribe.resubscribe(session, of.id, subscriber_id, source="page", now=NOW + 29 * DAY)
        assert reachable_ids(session, of, NOW + 29 * DAY) == {subscriber_id}
        unsubscribe.unsubscribe(session, of.id, subscriber_id, source="header", now=NOW + 30 * DAY)
        assert not unsubscribe.resubscribe(session, of.id, subscriber_id, source="page", now=NOW + 60 * DAY)


def test_undoing_an_unsubscribe_does_not_confirm_a_pending_sign_up(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = sign_up(session, signer, of, "ada@example.org").subscriber_id
        assert unsubscribe.unsubscribe(session, of.id, subscriber_id, source="page", now=NOW)
        assert unsubscribe.resubscribe(session, of.id, subscriber_id, source="page", now=NOW)
        assert reachable_ids(session, of) == set()
        assert preferences.get_preferences(session, of.id, subscriber_id, NOW).status == "pending"


def test_unsubscribing_without_a_subscription_is_no_error(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        assert not unsubscribe.unsubscribe(session, of.id, 0, source="header", now=NOW)
        assert not unsubscribe.resubscribe(session, of.id, 77, source="page", now=NOW)


@pytest.mark.parametrize("reason", ["complaint", "bounce", "request"])
def test_a_suppressed_reader_cannot_resubscribe(db: Database, signer: Signer, reason: str) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        unsubscribe.unsubscribe(session, of.id, subscriber_id, source="header", now=NOW)
        suppression.suppress(session, signer, "ada@example.org", reason, NOW)
        assert not unsubscribe.resubscribe(session, of.id, subscriber_id, source="page", now=NOW + HOUR)


def test_a_pause_ends_by_itself(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        preferences.pause(session, of.id, subscriber_id, until=preferences.pause_weeks(4, NOW), now=NOW)
        seen = preferences.get_preferences(session, of.id, subscriber_id, NOW)
        assert (seen.masked, seen.status, seen.paused_until) == (
            "a•••@example.org",
            "paused",
            NOW + 28 * DAY,
        )
        assert reachable_ids(session, of, NOW + 27 * DAY) == set()
        assert reachable_ids(session, of, NOW + 28 * DAY) == {subscriber_id}
        assert preferences.get_preferences(session, of.id, subscriber_id, NOW + 28 * DAY).status == "active"


def test_a_pause_can_be_ended_and_is_limited(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        preferences.pause(session, of.id, subscriber_id, until=NOW + DAY, now=NOW)
        preferences.resume(session, of.id, subscriber_id, now=NOW)
        preferences.resume(session, of.id, subscriber_id, now=NOW)
        assert reachable_ids(session, of) == {subscriber_id}
        for until in (NOW, NOW - DAY, NOW + 366 * DAY):
            with pytest.raises(BadInput):
                preferences.pause(session, of.id, subscriber_id, until=until, now=NOW)
        with pytest.raises(BadInput):
            preferences.pause_weeks(0, NOW)
        unsubscribe.unsubscribe(session, of.id, subscriber_id, source="page", now=NOW)
        with pytest.raises(NotFound):
            preferences.pause(session, of.id, subscriber_id, until=NOW + DAY, now=NOW)


def test_erasure_empties_the_row_and_keeps_its_id(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        assert erase.erase(session, signer, "ADA@example.org", NOW + HOUR)
        assert not erase.erase(session, signer, "ada@example.org", NOW + HOUR)
        row = session.execute(select(Subscriber.id, Subscriber.address, Subscriber.address_key)).one()
        assert row == (subscriber_id, None, None)
        assert is_suppressed(session, signer, "ada@example.org")
        assert session.execute(select(ConsentEvent.network, ConsentEvent.user_agent).distinct()).all() == [
            (None, None)
        ]
        assert session.execute(eligibility.audience(of.id, NOW + DAY)).all() == [(subscriber_id, "erased")]
        with pytest.raises(NotFound):
            press_confirm(session, of, subscriber_id, NOW + HOUR)


def test_an_erased_person_can_sign_up_again(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        old = create_reader(session, signer, of, "ada@example.org")
        erase.erase(session, signer, "ada@example.org", NOW + HOUR)
        new = sign_up(session, signer, of, "ada@example.org", NOW + DAY)
        assert new.letter == "confirm"
        assert new.subscriber_id != old
        press_confirm(session, of, new.subscriber_id, NOW + DAY)
        assert reachable_ids(session, of, NOW + DAY) == {new.subscriber_id}
        assert not is_suppressed(session, signer, "ada@example.org")


def test_erasing_does_not_lift_a_complaint(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        create_reader(session, signer, of, "ada@example.org")
        suppression.suppress(session, signer, "ada@example.org", "complaint", NOW + HOUR)
        erase.erase(session, signer, "ada@example.org", NOW + DAY)
        assert sign_up(session, signer, of, "ada@example.org", NOW + 2 * DAY).letter is None


def test_a_suppression_outlives_a_key_rotation(db: Database) -> None:
    old, new = "an-older-key-of-the-tests-0123456789abc", "a-brand-new-key-of-the-tests-0123456789"
    with db.begin() as session:
        suppression.suppress(session, Signer([old]), "ada@example.org", "bounce", NOW)
        assert is_suppressed(session, Signer([new, old]), "Ada@example.org")
        suppression.suppress(session, Signer([new, old]), "ada@example.org", "complaint", NOW)
        assert (
            suppression.find(session, Signer([old]), ["ada@example.org"])["ada@example.org"].reason
            == "complaint"
        )


def test_every_subscriber_is_mailable_or_has_one_reason_why_not(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        ids = {
            n: create_reader(session, signer, of, f"{n}@example.org")
            for n in ("here", "unsubscribed", "paused", "bounced", "old")
        }
        sign_up(session, signer, of, "pending@example.org")
        unsubscribe.unsubscribe(session, of.id, ids["old"], source="page", now=NOW)
        unsubscribe.unsubscribe(session, of.id, ids["unsubscribed"], source="page", now=NOW + 2 * HOUR)
        preferences.pause(session, of.id, ids["paused"], until=NOW + DAY, now=NOW)
        suppression.suppress_subscriber(session, signer, ids["bounced"], "bounce", NOW)
        rows = dict(session.execute(eligibility.audience(of.id, NOW, NOW + HOUR)).all())
        assert rows == {
            ids["here"]: None, ids["unsubscribed"]: "unsubscribed", ids["paused"]: "paused", ids["bounced"]: "suppressed",
        }  # fmt: skip
        seen = eligibility.count(session, of.id, NOW, NOW + HOUR)
        assert (seen.reachable, seen.excluded) == (1, {"unsubscribed": 1, "paused": 1, "suppressed": 1})
        now = dict(session.execute(eligibility.eligible_now(of.id, NOW, list(ids.values()))).all())
        assert {number for number, why_not in now.items() if why_not is None} == {ids["here"]}
        pending = subscriber_id_of(session, "pending@example.org")
        assert session.execute(eligibility.eligible_now(of.id, NOW, [pending])).all() == [
            (pending, "pending")
        ]


def test_deleting_expired_sign_ups_spares_readers_and_the_unsubscribed(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of, other = create_publication(session), create_publication(session, "prices")
        here = create_reader(session, signer, of, "here@example.org")
        gone = create_reader(session, signer, of, "gone@example.org")
        unsubscribe.unsubscribe(session, of.id, gone, source="page", now=NOW + HOUR)
        sign_up(session, signer, of, "gone@example.org", NOW + 2 * HOUR)
        both = create_reader(session, signer, of, "both@example.org")
        sign_up(session, signer, other, "both@example.org")
        sign_up(session, signer, of, "never@example.org")
        assert erase.purge(session, NOW + 29 * DAY) == 0
        assert erase.purge(session, NOW + 31 * DAY) == 2
        assert reachable_ids(session, of) == {here, both}
        assert preferences.get_preferences(session, of.id, gone, NOW).status == "unsubscribed"
        assert subscriber_id_of(session, "never@example.org") is None
        assert subscriber_id_of(session, "both@example.org") == both


def test_the_consent_history_is_in_order(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        preferences.pause(session, of.id, subscriber_id, until=NOW + DAY, now=NOW)
        preferences.resume(session, of.id, subscriber_id, now=NOW)
        unsubscribe.unsubscribe(session, of.id, subscriber_id, source="header", wording="one-click", now=NOW)
        unsubscribe.resubscribe(session, of.id, subscriber_id, source="page", now=NOW)
        suppression.suppress(session, signer, "ada@example.org", "bounce", NOW)
        kinds = [event.kind for event, _ in consent.history(session, subscriber_id)]
    assert kinds == [
        "requested",
        "confirmed",
        "paused",
        "resumed",
        "unsubscribed",
        "resubscribed",
        "suppressed",
    ]

"""Signing up and confirming."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.audience.subscribers import (
    DAY,
    HOUR,
    NOW,
    WORDS,
    create_publication,
    create_reader,
    is_suppressed,
    press_confirm,
    reachable_ids,
    sign_up,
    subscriber_id_of,
)

from digest.audience import consent, erase, signup, suppression, tokens, unsubscribe
from digest.audience.models import Subscriber, Subscription
from digest.db import Database
from digest.errors import BadInput, BadToken, NotAllowed, NotFound
from digest.signing import Signer


def test_nobody_gets_issues_before_they_confirm(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        asked = sign_up(session, signer, of, "ada@example.org")
        assert asked.letter == "confirm"
        assert reachable_ids(session, of) == set()
        assert press_confirm(session, of, asked.subscriber_id).first
        assert reachable_ids(session, of) == {asked.subscriber_id}


def test_confirming_twice_is_no_error_and_sends_one_welcome(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        assert not press_confirm(session, of, subscriber_id, NOW + HOUR).first


def test_the_sign_up_form_cannot_flood_an_inbox(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        letters = [
            sign_up(session, signer, of, "ada@example.org", NOW + n * HOUR).letter for n in range(24 * 20)
        ]
        assert [n for n, letter in enumerate(letters) if letter] == [0, 24, 48]
        assert session.scalar(select(func.count()).select_from(Subscriber)) == 1


def test_repeating_the_form_does_not_extend_a_pending_sign_up(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        for day in range(40):
            sign_up(session, signer, of, "ada@example.org", NOW + day * DAY)
        assert erase.purge(session, NOW + 40 * DAY) == 1
        assert subscriber_id_of(session, "ada@example.org") is None
        assert sign_up(session, signer, of, "ada@example.org", NOW + 41 * DAY).letter == "confirm"


def test_a_subscribed_reader_is_told_so_but_not_at_every_attempt(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        create_reader(session, signer, of, "ada@example.org")
        letters = [
            sign_up(session, signer, of, "ADA@example.org", NOW + n * HOUR).letter for n in range(1, 200)
        ]
        assert [letter for letter in letters if letter] == ["known"] * 3
        assert sign_up(session, signer, of, "ada@example.org", NOW + 60 * DAY).letter == "known"


def test_spellings_of_an_address_are_one_reader_but_plus_tags_are_not(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        sign_up(session, signer, of, "Ada@Example.org")
        sign_up(session, signer, of, " ada@EXAMPLE.ORG ")
        sign_up(session, signer, of, "ada+news@example.org")
        assert sorted(session.scalars(select(Subscriber.address))) == [
            "Ada@example.org",
            "ada+news@example.org",
        ]


def test_an_address_that_complained_never_gets_email_again(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        suppression.suppress(session, signer, "ada@example.org", "complaint", NOW + HOUR)
        suppression.suppress(session, signer, "ada@example.org", "bounce", NOW + 2 * HOUR)
        assert sign_up(session, signer, of, "ada@example.org", NOW + 9 * DAY) == signup.SignUp(0, None)
        with pytest.raises(NotAllowed):
            press_confirm(session, of, subscriber_id, NOW + 9 * DAY)
        assert reachable_ids(session, of, NOW + 9 * DAY) == set()


def test_an_unknown_address_that_complained_is_not_stored(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        suppression.suppress(session, signer, "ada@example.org", "complaint", NOW)
        sign_up(session, signer, of, "ada@example.org", NOW + HOUR)
        assert subscriber_id_of(session, "ada@example.org") is None


def test_a_new_confirmed_sign_up_lifts_a_bounce(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        suppression.suppress(session, signer, "ada@example.org", "bounce", NOW + HOUR)
        with pytest.raises(NotAllowed):
            press_confirm(session, of, subscriber_id, NOW + 2 * HOUR)
        assert sign_up(session, signer, of, "ada@example.org", NOW + 2 * DAY).letter == "confirm"
        assert reachable_ids(session, of, NOW + 2 * DAY) == set()
        assert press_confirm(session, of, subscriber_id, NOW + 2 * DAY).first
        assert reachable_ids(session, of, NOW + 2 * DAY) == {subscriber_id}
        assert not is_suppressed(session, signer, "ada@example.org")


def test_an_unsubscribed_reader_returns_by_a_new_sign_up_but_not_by_an_old_link(
    db: Database, signer: Signer
) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        unsubscribe.unsubscribe(session, of.id, subscriber_id, source="page", now=NOW + HOUR)
        with pytest.raises(NotAllowed):
            press_confirm(session, of, subscriber_id, NOW + 2 * HOUR)
        assert sign_up(session, signer, of, "ada@example.org", NOW + 3 * HOUR).letter == "confirm"
        assert reachable_ids(session, of, NOW + 3 * HOUR) == set()
        assert press_confirm(session, of, subscriber_id, NOW + 4 * HOUR).first
        assert reachable_ids(session, of, NOW + 4 * HOUR) == {subscriber_id}


def test_consent_text_network_and_browser_are_kept_as_proof(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        events = [
            (e.kind, words, e.network, e.user_agent) for e, words in consent.history(session, subscriber_id)
        ]
    assert events == [
        ("requested", WORDS, "203.0.113.0/24", "Firefox"),
        ("confirmed", "Yes, subscribe me", "2001:db8:1::/48", "Firefox"),
    ]


def test_network_and_browser_are_deleted_after_a_year(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        assert consent.delete_traces(session, NOW + 364 * DAY) == 0
        assert consent.delete_traces(session, NOW + 366 * DAY) == 2
        assert consent.delete_traces(session, NOW + 366 * DAY) == 0
        (event, words), _ = consent.history(session, subscriber_id)
        assert (event.network, event.user_agent, words) == (None, None, WORDS)


@pytest.mark.parametrize(
    ("network", "coarse"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:aa:bb::1", "2001:db8:aa::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("not an address", None),
        ("", None),
        (None, None),
    ],
)
def test_networks_are_stored_coarsely(network: str | None, coarse: str | None) -> None:
    assert consent.coarsen_network(network) == coarse


def test_confirming_a_deleted_sign_up_says_so(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        with pytest.raises(NotFound):
            press_confirm(session, of, 77)


def test_a_confirmation_link_works_for_three_days_also_after_a_newer_one(signer: Signer) -> None:
    first = tokens.confirm_token(signer, 1, 7, NOW)
    tokens.confirm_token(signer, 1, 7, NOW + DAY)
    assert tokens.read_confirm(signer, first, NOW + 71 * HOUR) == tokens.SubscriberToken(1, 7)
    with pytest.raises(BadToken, match="three days"):
        tokens.read_confirm(signer, first, NOW + 72 * HOUR)


def test_no_token_works_for_another_purpose(signer: Signer) -> None:
    minted = {
        tokens.read_preferences: tokens.preferences_token(signer, 1, 7),
        tokens.read_unsubscribe: tokens.unsubscribe_token(signer, 1, 7, 3),
    }
    for read in minted:
        for other, token in minted.items():
            if other is not read:
                with pytest.raises(BadToken):
                    read(signer, token)
    assert tokens.read_unsubscribe(signer, minted[tokens.read_unsubscribe]) == tokens.SubscriberToken(1, 7, 3)


def test_the_send_loop_mints_the_same_tokens(signer: Signer) -> None:
    assert tokens.unsubscribe_minter(signer).mint(1, 7, 3).decode() == tokens.unsubscribe_token(
        signer, 1, 7, 3
    )
    assert tokens.preferences_minter(signer).mint(1, 7).decode() == tokens.preferences_token(signer, 1, 7)


@pytest.mark.parametrize(
    "age", [timedelta(seconds=-60), timedelta(seconds=1), timedelta(hours=24), timedelta(days=9)]
)
def test_a_form_sent_too_fast_or_too_late_can_be_sent_again(signer: Signer, age: timedelta) -> None:
    with pytest.raises(BadInput, match=r"please (press the button|send the form) again"):
        signup.check_form(signer, signup.form_token(signer, NOW), NOW + age)


def test_a_form_sent_at_human_speed_passes(signer: Signer) -> None:
    token = signup.form_token(signer, NOW)
    signup.check_form(signer, token, NOW + timedelta(seconds=2))
    signup.check_form(signer, token, NOW + timedelta(hours=23))
    with pytest.raises(BadToken):
        signup.check_form(signer, token[:-3] + "abc", NOW + timedelta(seconds=5))


def test_each_publication_has_its_own_subscription(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        one, two = create_publication(session), create_publication(session, "prices")
        subscriber_id = create_reader(session, signer, one, "ada@example.org")
        assert sign_up(session, signer, two, "ada@example.org").letter == "confirm"
        press_confirm(session, two, subscriber_id)
        unsubscribe.unsubscribe(session, one.id, subscriber_id, source="header", now=NOW + HOUR)
        assert reachable_ids(session, one) == set()
        assert reachable_ids(session, two) == {subscriber_id}
        assert session.scalar(select(func.count()).select_from(Subscription)) == 2

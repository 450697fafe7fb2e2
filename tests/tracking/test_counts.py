"""Clicks are counted raw, and beside it as far as a person made them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from tests.tracking.click_tokens import click_token, follow
from tests.web.factories import create_comparison, create_publication, create_sent_issue
from tests.web.subscribers import create_subscriber

from digest.db import Database
from digest.errors import BadInput, BadToken
from digest.signing import Signer
from digest.tracking import clicks, counts, links, unsubscribes
from digest.tracking.bots import looks_like_machine
from digest.tracking.models import Click, Link

NOW = datetime(2026, 10, 6, 12, 0, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def issue(session: Session) -> int:
    publication_id = create_publication(session)
    return create_sent_issue(
        session,
        publication_id,
        [
            create_comparison(session, 0, 1),
            create_comparison(session, 2, 3),
            create_comparison(session, 4, 5),
        ],
    )


def click(
    session: Session, signer: Signer, who: int, number: int, after: float = 0.0, *, machine: bool = False
) -> None:
    token = click_token(signer, 1, number, who)
    follow(session, signer, token, agent=FIREFOX, machine=machine, now=NOW + timedelta(seconds=after))


def test_a_person_who_follows_two_links_is_one_reader_and_two_clicks(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        ada = create_subscriber(session, 1, "ada@example.org")
        click(session, signer, ada, 0)
        click(session, signer, ada, 1, 3)
        click(session, signer, ada, 0, 600)
        found = counts.count_issue(session, 1)
    assert (found.clicks_raw, found.clicks_human, found.readers_clicked) == (3, 3, 1)
    assert [(pick.clicks_raw, pick.clicks_human, pick.readers) for pick in found.per_pick] == [
        (2, 2, 1),
        (1, 1, 1),
    ]
    assert [(link.number, link.clicks_raw) for link in found.per_link] == [(0, 2), (1, 1), (2, 0)]


def test_many_links_within_seconds_are_a_scanner_and_stay_in_the_raw_count(
    db: Database, signer: Signer
) -> None:
    with db.begin() as session:
        issue(session)
        ada, bob = (
            create_subscriber(session, 1, "ada@example.org"),
            create_subscriber(session, 1, "bob@example.org"),
        )
        for number in range(3):
            click(session, signer, ada, number, number * 1.5)
        click(session, signer, ada, 1, 3600)
        click(session, signer, bob, 0, 1)
        found = counts.count_issue(session, 1)
    assert (found.clicks_raw, found.clicks_human, found.readers_clicked) == (5, 2, 2)


def test_several_readers_at_once_are_no_scanner(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        for number, name in enumerate(("ada", "bob", "eve")):
            click(session, signer, create_subscriber(session, 1, f"{name}@example.org"), number)
        assert counts.count_issue(session, 1).clicks_human == 3


def test_pressing_one_link_again_and_again_is_no_scanner(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        ada = create_subscriber(session, 1, "ada@example.org")
        for again in range(5):
            click(session, signer, ada, 0, again)
        assert counts.count_issue(session, 1).clicks_human == 5


def test_however_often_one_presses_there_is_a_handful_of_rows_and_every_press_counts(
    db: Database, signer: Signer
) -> None:
    with db.begin() as session:
        issue(session)
        ada = create_subscriber(session, 1, "ada@example.org")
        for again in range(40):
            click(session, signer, ada, 0, again * 60)
            click(session, signer, ada, 0, again * 60 + 1, machine=True)
        found = counts.count_issue(session, 1)
        rows = session.scalars(select(Click)).all()
    assert (found.clicks_raw, found.clicks_human, found.readers_clicked) == (80, 40, 1)
    assert len(rows) == 2 * clicks.MAX_VISITS
    assert sum(row.click_count for row in rows) == 80


def test_a_scanner_before_the_person_does_not_hide_the_person(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        ada = create_subscriber(session, 1, "ada@example.org")
        for again in range(2):  # each link twice, as some do
            for number in range(3):
                click(session, signer, ada, number, again + number * 0.5)
        click(session, signer, ada, 2, 30)
        found = counts.count_issue(session, 1)
    assert (found.clicks_raw, found.clicks_human, found.readers_clicked) == (7, 1, 1)
    assert [link.readers for link in found.per_link] == [0, 0, 1]


def test_a_person_before_the_scanner_stays_counted(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        ada = create_subscriber(session, 1, "ada@example.org")
        click(session, signer, ada, 0, -7200)
        for number in range(3):
            click(session, signer, ada, number, number)
        found = counts.count_issue(session, 1)
    assert (found.clicks_raw, found.clicks_human, found.readers_clicked) == (4, 1, 1)


def test_the_sums_by_the_hour_are_the_rows(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        people = [create_subscriber(session, 1, f"r{number}@example.org") for number in range(3)]
        for place, seconds in enumerate((-600, 3599, 3601, 3602, 3603, 7300, 7301, 90_000, 90_001)):
            click(session, signer, people[place % 3], place % 2, seconds)
        by_hour = counts.count_by_hour(session, 1, NOW, 48)
        total = counts.count_issue(session, 1)
        rows = session.scalars(select(Click)).all()
    assert [(hour, *found) for hour, found in enumerate(by_hour) if found[0]] == [
        (0, 2, 2),
        (1, 3, 3),
        (2, 2, 2),
        (25, 2, 2),
    ]
    assert total.clicks_raw == sum(row.click_count for row in rows) == 9
    assert total.clicks_human == sum(row.click_count for row in rows if not row.is_bot)
    assert total.readers_clicked == len({row.subscriber_id for row in rows if not row.is_bot})


def test_a_burst_over_the_full_hour_takes_back_what_it_gave(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        ada = create_subscriber(session, 1, "ada@example.org")
        for seconds, number in ((3598, 0), (3601, 0), (3601.5, 1), (3602, 2)):
            click(session, signer, ada, number, seconds)
        assert counts.count_by_hour(session, 1, NOW, 2) == [(2, 0), (2, 0)]
        assert counts.count_issue(session, 1).readers_clicked == 0


def test_what_gave_itself_away_is_a_machine(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        click(session, signer, create_subscriber(session, 1, "ada@example.org"), 0, machine=True)
        found = counts.count_issue(session, 1)
    assert (found.clicks_raw, found.clicks_human, found.readers_clicked) == (1, 0, 0)


def test_another_issue_is_not_counted_here(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        first = issue(session)
        create_sent_issue(session, 1, [], number=42)
        click(session, signer, create_subscriber(session, 1, "ada@example.org"), 0)
        assert counts.count_issue(session, first).clicks_raw == 1
        assert counts.count_issue(session, first + 1) == counts.TrackingCounts(0, 0, 0, 0, 0, 0, (), ())


def test_unsubscribes_are_counted_once_and_an_undo_takes_them_back(db: Database) -> None:
    with db.begin() as session:
        issue(session)
        ada, bob, eve = (
            create_subscriber(session, 1, f"{name}@example.org") for name in ("ada", "bob", "eve")
        )
        for who, source in ((ada, "header"), (ada, "header"), (bob, "page"), (eve, "page")):
            unsubscribes.record(session, 1, who, source, NOW)
        unsubscribes.undo(session, 1, eve, NOW)
        unsubscribes.undo(session, 1, eve, NOW)
        found = counts.count_issue(session, 1)
    assert (found.unsubscribes, found.unsubscribes_by_header, found.unsubscribes_undone) == (2, 1, 1)


def test_the_first_way_of_leaving_stands(db: Database) -> None:
    with db.begin() as session:
        issue(session)
        ada = create_subscriber(session, 1, "ada@example.org")
        unsubscribes.record(session, 1, ada, "header", NOW)
        unsubscribes.record(session, 1, ada, "page", NOW + timedelta(hours=1))
        assert counts.count_issue(session, 1).unsubscribes_by_header == 1


def test_a_reason_is_kept_with_the_leaving_and_goes_with_it(db: Database) -> None:
    with db.begin() as session:
        issue(session)
        ada, bob, eve = (
            create_subscriber(session, 1, f"{name}@example.org") for name in ("ada", "bob", "eve")
        )
        unsubscribes.set_reason(session, 1, ada, "often")
        for who in (ada, bob, eve):
            unsubscribes.record(session, 1, who, "page", NOW)
        unsubscribes.set_reason(session, 1, ada, "often")
        unsubscribes.set_reason(session, 1, bob, "dull")
        unsubscribes.undo(session, 1, bob, NOW)
        unsubscribes.set_reason(session, 1, bob, "long")
        assert counts.count_unsubscribes(session, 1, NOW) == counts.Unsubscribes({0: 2}, {"often": 1, "": 1})
        unsubscribes.record(session, 1, bob, "page", NOW + timedelta(hours=3))
        assert counts.count_unsubscribes(session, 1, NOW) == counts.Unsubscribes(
            {0: 2, 3: 1}, {"often": 1, "": 2}
        )
        assert counts.count_issues(session, [1, 2]) == {
            1: counts.ReaderActions(0, 3),
            2: counts.ReaderActions(0, 0),
        }
        with pytest.raises(BadInput):
            unsubscribes.set_reason(session, 1, eve, "because")


def test_nobody_and_no_issue_leave_no_trace(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        unsubscribes.record(session, 0, 5, "page", NOW)
        unsubscribes.record(session, 1, 0, "page", NOW)
        click(session, signer, 0, 0)
        assert session.scalars(select(Click)).all() == []


def test_a_token_names_a_stored_link_and_nothing_else(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
        target = links.find(session, signer, click_token(signer, 1, 2, 77))
        assert (target.url, target.subscriber_id) == (
            session.scalars(select(Link.url).where(Link.number == 2)).one(),
            77,
        )
        for token in ("", "x", click_token(signer, 1, 3, 77), click_token(signer, 9, 0, 77)):
            with pytest.raises(BadToken):
                links.find(session, signer, token)


def test_the_fast_mint_makes_the_same_token(signer: Signer) -> None:
    start = links.click_minter(signer).mint(41, 99)
    assert [start + b"-0", start + b"-3"] == [
        click_token(signer, 41, number, 99).encode() for number in (0, 3)
    ]


def test_a_click_token_has_one_spelling_and_no_other_reader(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        issue(session)
    good = click_token(signer, 1, 2, 77)
    signed = good.rpartition("-")[0]
    other = click_token(signer, 1, 2, 78).rpartition("-")[0]
    with db.read() as session:
        assert links.find(session, signer, good).subscriber_id == 77
        assert links.find(session, signer, f"{other}-2").subscriber_id == 78
        for token in (
            signed,
            f"{signed}-",
            f"{signed}-02",
            f"{signed}-２",
            f"{signed}--2",
            f"{signed}-2 ",
            f"x{good}",
        ):
            with pytest.raises(BadToken):
                links.find(session, signer, token)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "mailto:a@example.org", "//host/x", "/x", ""]
)
def test_only_the_web_is_linked_to(db: Database, url: str) -> None:
    with db.begin() as session, pytest.raises(BadInput):
        links.store(session, 1, [(0, None, url, "label")])


@pytest.mark.parametrize(
    ("agent", "language", "purpose", "machine"),
    [
        (FIREFOX, "en", "", False),
        (FIREFOX, "", "", True),
        ("", "en", "", True),
        (FIREFOX, "en", "prefetch", True),
        ("python-requests/2.32", "en", "", True),
        ("Mozilla/5.0 (compatible; Proofpoint URL Defense)", "en", "", True),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
            "de-DE",
            "",
            False,
        ),
        ("Mozilla/5.0 (Linux; Android 16; Cubot KingKong) Chrome/141.0", "de", "", False),
    ],
)
def test_a_request_is_judged_by_what_it_says_of_itself(
    agent: str, language: str, purpose: str, machine: bool
) -> None:
    assert looks_like_machine(agent, language, purpose) == machine

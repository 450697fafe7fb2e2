"""A publication is whole and valid, or it is not there."""

from datetime import UTC, datetime

import pytest

from digest.db import Database
from digest.errors import BadInput, NotFound
from digest.publications import publications

NOW = datetime(2026, 10, 12, tzinfo=UTC)
GOOD = {"name": "Weekly Verdicts", "sender_address": "digest@verdicts.dev"}


def test_a_name_and_a_sender_are_enough(db: Database) -> None:
    with db.begin() as session:
        publications.create(session, now=NOW, **GOOD)
    with db.read() as session:
        made = publications.find(session)
        assert (made.slug, made.sender_name, made.zone, made.at) == (
            "weekly-verdicts",
            "Weekly Verdicts",
            "UTC",
            "09:00",
        )
        assert (made.picks_per_issue, made.min_picks, made.hold_minutes) == (5, 3, 10)
        assert publications.find(session, "weekly-verdicts").id == made.id


def test_the_first_one_is_meant_when_none_is_named(db: Database) -> None:
    with db.begin() as session:
        with pytest.raises(NotFound, match="digest init"):
            publications.find(session)
        first = publications.create(session, now=NOW, **GOOD)
        publications.create(session, now=NOW, **(GOOD | {"name": "A second"}))
        assert publications.find(session) is first
        assert [paper.slug for paper in publications.list_publications(session)] == [
            "weekly-verdicts",
            "a-second",
        ]
        with pytest.raises(NotFound, match="'third'"):
            publications.find(session, "third")
        with pytest.raises(BadInput, match="already uses weekly-verdicts"):
            publications.create(session, now=NOW, **GOOD)


BAD = [
    ("zone", "Mars/Base"),
    ("zone", ""),
    ("zone", "localtime"),
    ("zone", "posixrules"),
    ("zone", "Factory"),
    ("zone", "posix/Europe/Berlin"),
    ("zone", "right/Europe/Berlin"),
    ("zone", "europe/berlin"),
    ("zone", "../zoneinfo/UTC"),
    ("at", "9:00"),
    ("at", "24:00"),
    ("at", "09:00\n10:00"),
    ("name", ""),
    ("name", "x" * 121),
    ("name", "Line\nbreak"),
    ("sender_name", "Bell\x07"),
    ("sender_name", "\u202egnp.exe"),
    ("tagline", "a\u2028b"),
    ("sender_address", ""),
    ("sender_address", "not an address"),
    ("sender_address", "a@b@c.dev"),
    ("sender_address", "a@verdicts.dev\r\nBcc: x@y.dev"),
    ("reply_to", "nobody"),
    ("slug", "Has Spaces"),
    ("slug", "-edge"),
    ("slug", "a/../b"),
    ("slug", "x" * 65),
    ("language", "english!"),
    ("weekday", 7),
    ("weekday", "someday"),
    ("draft_days_before", 0),
    ("draft_days_before", 7),
    ("picks_per_issue", 13),
    ("picks_per_issue", 0),
    ("min_picks", 6),
    ("hold_minutes", -1),
    ("hold_minutes", "ten"),
    ("postal_address", "a\x00b"),
    ("colour", "blue"),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_what_cannot_be_used_is_one_line_that_names_the_field(
    sqlite: Database, field: str, value: object
) -> None:
    with sqlite.begin() as session:
        with pytest.raises(BadInput) as caught:
            publications.create(session, now=NOW, **(GOOD | {field: value}))
        assert str(caught.value).startswith(field)
        assert "\n" not in str(caught.value)
        assert publications.list_publications(session) == []


def test_what_people_write_is_understood(db: Database) -> None:
    with db.begin() as session:
        made = publications.create(
            session,
            now=NOW,
            name="Café & Töols 👩‍💻",
            sender_address="Digest@Verdicts.DEV",
            reply_to="",
            weekday="Thursday",
            postal_address="1 Main Street\r\nTown",
            picks_per_issue="7",
        )
        assert (made.slug, made.weekday, made.reply_to, made.picks_per_issue) == ("cafe-tools", 3, None, 7)
        assert made.sender_address == "Digest@verdicts.dev"
        assert made.postal_address == "1 Main Street\nTown"


def test_a_change_is_checked_as_a_whole_and_changes_nothing_else(db: Database) -> None:
    with db.begin() as session:
        paper = publications.create(session, now=NOW, **GOOD)
        publications.update(session, paper, zone="Europe/Berlin", min_picks=5)
        assert (paper.zone, paper.min_picks, paper.at) == ("Europe/Berlin", 5, "09:00")
        with pytest.raises(BadInput, match="min_picks: 5 is more than the 4 picks per issue"):
            publications.update(session, paper, picks_per_issue=4, zone="UTC")
        assert (paper.picks_per_issue, paper.zone) == (5, "Europe/Berlin")
        with pytest.raises(BadInput, match="slug"):
            publications.update(session, paper, slug="another")

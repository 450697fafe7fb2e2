"""From an empty install to a draft, step by step; and the same settings later, each with its Undo."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tests.relay import Relay, Script
from tests.web.desk.clients import get, make_desk, post, signed_in, undo_button
from tests.web.factories import Site, create_publication, make_site

from digest.db import Database, utcnow
from digest.editorial import users
from digest.publications import publications
from digest.publications.models import Publication
from digest.smtp.url import relay_from_url


@pytest.fixture
def empty(sqlite: Database, tmp_path: Path) -> Site:
    """What `digest init` leaves: a publication with a name and no more, and its owner."""
    made = make_site(sqlite, tmp_path)
    with made.db.begin() as session:
        create_publication(session, sender_address="digest@localhost.localdomain", postal_address="")
        users.invite_user(session, "owner@verdicts.io", "owner", utcnow())
        users.invite_user(session, "editor@verdicts.io", "editor", utcnow())
    return made


def paper(made: Site) -> Publication:
    with made.db.read() as session:
        found = publications.find(session)
        session.expunge_all()
        return found


def next_words(client: FlaskClient) -> str:
    page = get(client, "/desk/")
    found = re.search(r"next-step.*?<p>(.*?)</p>", page, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


def speak_to(made: Site, relay: Relay) -> None:
    services = made.app.extensions["digest"]
    made.app.extensions["digest"] = replace(services, relay=relay_from_url(relay.url))


def test_setup_leads_from_an_empty_database_to_a_draft(empty: Site) -> None:
    owner = signed_in(empty, "owner")
    assert "Next: name and sender." in next_words(owner)
    save(owner, "name", name="Verdicts", tagline="", sender_name="Ana", sender_address="ana@verdicts.io")
    assert "Next: postal address." in next_words(owner)
    save(owner, "address", postal_address="1 Main Street")
    save(owner, "calendar", weekday="3", at="08:30", zone="Europe/Berlin", draft_days_before="2")
    with Relay() as relay:
        speak_to(empty, relay)
        page = save(owner, "relay", address="ana@verdicts.io")
        assert "The mail server accepted the test email." in page
        assert [mail.recipient for mail in relay.mails] == ["ana@verdicts.io"]
    assert "Next: first comparisons." in next_words(owner)
    assert "12 sample comparisons imported." in save(owner, "comparisons")
    page = post(owner, "/desk/").get_data(as_text=True)
    assert "Issue 1 drafted." in page
    assert "Issue 1 is drafted. Review it" in next_words(owner)
    assert "Setup complete" in get(owner, "/desk/setup")
    found = paper(empty)
    assert (found.name, found.at, found.zone, found.weekday) == ("Verdicts", "08:30", "Europe/Berlin", 3)


def save(client: FlaskClient, step: str, **fields: str) -> str:
    return post(client, f"/desk/setup/{step}", **fields).get_data(as_text=True)


def test_a_step_can_be_repeated_and_undone(empty: Site) -> None:
    owner = signed_in(empty, "owner")
    page = save(owner, "address", postal_address="1 Main Street")
    assert "1 Main Street" in get(owner, "/desk/setup/address")
    url, fields = undo_button(page)
    post(owner, url, **fields)
    assert paper(empty).postal_address == ""


def test_an_invalid_value_stays_in_the_form_with_the_reason(empty: Site) -> None:
    owner = signed_in(empty, "owner")
    answer = post(
        owner, "/desk/setup/calendar", zone="Berlin", weekday="2", at="09:00", draft_days_before="2"
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert "is not a time zone" in page
    assert 'value="Berlin"' in page
    assert paper(empty).weekday == 1


def test_the_dates_of_a_calendar_can_be_previewed_before_it_is_saved(empty: Site) -> None:
    owner = signed_in(empty, "owner")
    fields = {
        "zone": "Asia/Tokyo",
        "weekday": "4",
        "at": "18:00",
        "draft_days_before": "2",
        "action": "preview",
    }
    for path in ("/desk/setup/calendar", "/desk/settings/calendar"):
        page = post(owner, path, **fields).get_data(as_text=True)
        assert len(re.findall(r"Friday \d+ \w+, 18:00", page)) == 3
        assert "(Asia/Tokyo)" in page
    assert paper(empty).zone == "UTC"


def test_a_relay_s_refusal_is_shown_with_its_fix_and_the_step_stays_open(empty: Site) -> None:
    owner = signed_in(empty, "owner")
    with Relay(Script(every_mail="553 5.7.1 <b>sender</b> not verified")) as relay:
        speak_to(empty, relay)
        answer = post(owner, "/desk/setup/relay", address="ana@verdicts.io")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 502
    assert "Verify the sender" in page
    assert "&lt;b&gt;sender" in page
    assert "relay" not in paper(empty).set_up


def test_only_an_owner_can_set_up(empty: Site) -> None:
    editor = signed_in(empty, "editor")
    get(editor, "/desk/setup", 403)
    get(editor, "/desk/settings", 403)
    assert "Finish setting up this publication." not in next_words(editor)


def test_a_setting_can_be_changed_and_undone(sqlite: Database, tmp_path: Path) -> None:
    made = make_desk(sqlite, tmp_path)
    owner = signed_in(made, "owner")
    said = post(owner, "/desk/settings/sending", hold_minutes="25", requires_approval="1")
    assert (paper(made).hold_minutes, paper(made).requires_approval) == (25, True)
    url, fields = undo_button(said.get_data(as_text=True))
    post(owner, url, **fields)
    assert (paper(made).hold_minutes, paper(made).requires_approval) == (10, False)
    answer = post(owner, "/desk/settings/picks", picks_per_issue="2", min_picks="3")
    assert answer.status_code == 400
    assert "more than the 2 picks per issue" in answer.get_data(as_text=True)


def test_a_second_publication_can_be_created(sqlite: Database, tmp_path: Path) -> None:
    made = make_desk(sqlite, tmp_path)
    owner = signed_in(made, "owner")
    page = post(owner, "/desk/publications", name="Daily Parsers").get_data(as_text=True)
    assert "Setup of Daily Parsers" in page
    assert "Finish setting up this publication." in next_words(owner)
    assert made.app.test_client().get("/p/daily-parsers/").status_code == 200


def test_a_publication_that_has_sent_an_issue_needs_no_setup(sqlite: Database, tmp_path: Path) -> None:
    made = make_desk(sqlite, tmp_path)
    with made.db.begin() as session:
        from digest.editorial import issues

        issues.get_by_number(session, 1).started_at = utcnow()
    assert "Finish setting up this publication." not in next_words(signed_in(made, "owner"))

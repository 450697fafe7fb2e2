"""Two-factor authentication and login sessions."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select, update
from tests.web.desk.clients import csrf_token, get, make_desk, post, signed_in
from tests.web.factories import BASE, Site

from digest.access import sessions
from digest.access.models import AuditLogEntry, Factor, LoginSession
from digest.db import Database, utcnow
from digest.editorial import users
from digest.editorial.models import User

ACCOUNT, SECOND = "/desk/account", "/desk/second-factor"
START = datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC)


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    """The pages do not depend on the kind of database; digest.access is tested on both."""
    return make_desk(sqlite, tmp_path)


@pytest.fixture
def clock() -> time_machine.Traveller:
    with time_machine.travel(START, tick=False) as moved:
        yield moved


def set_up_app(client: FlaskClient, clock: time_machine.Traveller) -> tuple[pyotp.TOTP, list[str]]:
    """Set up an authenticator app through the pages; returns it and the recovery codes."""
    page = post(client, f"{ACCOUNT}/app").get_data(as_text=True)
    key = re.search(r'<code class="key">([A-Z2-7 ]+)</code>', page)
    assert key, page
    app = pyotp.TOTP(key[1].replace(" ", ""))
    page = post(client, f"{ACCOUNT}/app/confirm", code=app.at(utcnow()), name="Phone").text
    codes = re.findall(r"<li><code>([a-z0-9-]{17})</code></li>", page)
    assert len(codes) == 10, page
    clock.shift(30)
    return app, codes


def sign_in_with_link(desk: Site, role: str = "editor") -> FlaskClient:
    """Sign in with the emailed link; the second factor is still pending."""
    client = signed_in(desk, role)
    assert client.get("/desk/", base_url=BASE).headers["Location"] == SECOND
    return client


def verbs(desk: Site) -> list[str]:
    with desk.db.read() as session:
        return list(session.scalars(select(AuditLogEntry.verb).order_by(AuditLogEntry.id)))


def test_a_code_is_required_after_the_sign_in_link(desk: Site, clock: time_machine.Traveller) -> None:
    app, _ = set_up_app(signed_in(desk), clock)
    client = sign_in_with_link(desk)
    assert "Two-factor authentication" in get(client, SECOND)
    assert "desk-nav" not in get(client, SECOND)
    assert client.get("/desk/issues/1/schedule", base_url=BASE).status_code == 303
    data = {"csrf_token": csrf_token(client, SECOND), "action": "save"}
    assert client.post("/desk/issues/1", base_url=BASE, data=data).status_code == 401
    assert "That code is wrong" in post(client, SECOND, code="000000").text
    answer = post(client, SECOND, code=app.at(utcnow()))
    assert answer.request.path == "/desk/issues/1/schedule"
    assert "Authenticator app" in get(client, ACCOUNT)
    assert verbs(desk)[-2:] == ["entered a wrong two-factor code", "signed in"]


def test_an_app_code_works_only_once(desk: Site, clock: time_machine.Traveller) -> None:
    app, _ = set_up_app(signed_in(desk), clock)
    code = app.at(utcnow())
    post(sign_in_with_link(desk), SECOND, code=code)
    thief = sign_in_with_link(desk)
    post(thief, SECOND, code=code)
    assert thief.get("/desk/", base_url=BASE).status_code == 303


def test_a_recovery_code_works_only_once(desk: Site, clock: time_machine.Traveller) -> None:
    _, codes = set_up_app(signed_in(desk), clock)
    page = post(sign_in_with_link(desk), SECOND, code=codes[0].upper()).text
    assert "recovery code; 9 left" in page
    client = sign_in_with_link(desk)
    assert "That code is wrong" in post(client, SECOND, code=codes[0]).text


def test_guessing_is_limited_for_that_user_only(desk: Site, clock: time_machine.Traveller) -> None:
    app, _ = set_up_app(signed_in(desk), clock)
    client = sign_in_with_link(desk)
    codes = [post(client, SECOND, code=f"{n:06}").status_code for n in range(7)]
    assert codes == [200] * 6 + [429]
    again = sign_in_with_link(desk)
    assert post(again, SECOND, code=app.at(utcnow())).status_code == 429
    get(signed_in(desk, "viewer"), "/desk/")
    clock.shift(15 * 60)
    assert post(sign_in_with_link(desk), SECOND, code=app.at(utcnow())).status_code == 200


def test_a_pending_second_factor_expires_after_fifteen_minutes(
    desk: Site, clock: time_machine.Traveller
) -> None:
    app, _ = set_up_app(signed_in(desk), clock)
    client = sign_in_with_link(desk)
    proof = csrf_token(client, SECOND)
    clock.shift(15 * 60)
    data = {"csrf_token": proof, "code": app.at(utcnow())}
    assert client.post(SECOND, base_url=BASE, data=data).status_code == 401


def test_each_verification_renews_the_session_key(desk: Site, clock: time_machine.Traveller) -> None:
    app, _ = set_up_app(signed_in(desk), clock)
    client = sign_in_with_link(desk)
    stolen = client.get_cookie("__Host-digest", domain="news.example.org")
    post(client, SECOND, code=app.at(utcnow()))
    get(client, "/desk/")
    thief = desk.app.test_client()
    thief.set_cookie("__Host-digest", stolen.value, domain="news.example.org", secure=True)
    assert thief.get("/desk/", base_url=BASE).headers["Location"] == "/desk/sign-in"


def test_setting_up_two_factor_ends_sessions_that_began_without_it(
    desk: Site, clock: time_machine.Traveller
) -> None:
    elsewhere, here = signed_in(desk), signed_in(desk)
    set_up_app(here, clock)
    get(here, "/desk/")
    assert elsewhere.get("/desk/", base_url=BASE).status_code == 303


def test_sign_in_methods_change_only_after_a_recent_verification(
    desk: Site, clock: time_machine.Traveller
) -> None:
    client = signed_in(desk)
    app, _ = set_up_app(client, clock)
    clock.shift(60 * 60)
    page = get(client, ACCOUNT)
    assert "Confirm it’s me" in page
    assert "Remove" not in page
    page = post(client, f"{ACCOUNT}/factors/1/remove").text
    assert "Nothing was changed" in page
    page = post(client, SECOND, code=app.at(utcnow())).text
    assert "Remove" in page
    assert "Phone is removed" in post(client, f"{ACCOUNT}/factors/1/remove").text


def test_the_team_changes_only_after_a_recent_verification(desk: Site, clock: time_machine.Traveller) -> None:
    owner, people = signed_in(desk, "owner"), "/desk/team"
    app, _ = set_up_app(owner, clock)
    clock.shift(60 * 60)
    told = verbs(desk)
    for path, fields in (
        (people, {"address": "thief@example.org", "role": "owner"}),
        (f"{people}/2/role", {"role": "owner"}),
        (f"{people}/2/remove", {}),
    ):
        answer = post(owner, path, **fields)
        assert (answer.request.path, "Nothing was changed" in answer.text) == (SECOND, True)
    assert verbs(desk) == told
    assert post(owner, SECOND, code=app.at(utcnow())).request.path == people
    post(owner, f"{people}/2/role", role="owner")
    assert verbs(desk)[-1] == "changed the role"


def test_without_two_factor_a_new_link_verifies_the_user(desk: Site, clock: time_machine.Traveller) -> None:
    client = signed_in(desk)
    clock.shift(60 * 60)
    assert post(client, f"{ACCOUNT}/app").request.path == SECOND
    assert "We emailed you a sign-in link" in post(client, f"{SECOND}/link").text
    with desk.db.read() as session:
        token = users.create_sign_in_token(
            desk.signer, users.find_user(session, "editor@verdicts.io"), utcnow()
        )
    post(client, f"/desk/enter/{token}")
    with desk.db.read() as session:
        assert len(session.scalars(select(LoginSession)).all()) == 1  # this browser's old session is gone
    set_up_app(client, clock)


def test_renaming_a_factor_and_generating_new_codes_are_logged(
    desk: Site, clock: time_machine.Traveller
) -> None:
    client = signed_in(desk)
    _, codes = set_up_app(client, clock)
    assert "Renamed to Old phone." in post(client, f"{ACCOUNT}/factors/1/name", name="Old phone").get_data(
        as_text=True
    )
    page = post(client, f"{ACCOUNT}/recovery-codes").text
    assert "be shown again" in page
    assert codes[0] not in page
    assert codes[0] not in get(client, ACCOUNT)
    assert verbs(desk) == [
        "signed in",
        "set up an authenticator app",
        "renamed a two-factor method",
        "generated recovery codes",
    ]


def test_a_wrong_first_code_keeps_the_qr_code(desk: Site, clock: time_machine.Traveller) -> None:
    client = signed_in(desk)
    first = post(client, f"{ACCOUNT}/app").text
    again = post(client, f"{ACCOUNT}/app/confirm", code="000000", name="").text
    assert "That code is wrong" in again
    assert re.search(r'class="key">[^<]+', first)[0] == re.search(r'class="key">[^<]+', again)[0]


def test_when_two_factor_is_required_nobody_works_without_it(
    desk: Site, clock: time_machine.Traveller
) -> None:
    owner, editor = signed_in(desk, "owner"), signed_in(desk)
    refused = post(owner, "/desk/team/second-factor", required="yes").text
    assert "before you require it for everyone" in refused
    set_up_app(owner, clock)
    page = post(owner, "/desk/team/second-factor", required="yes").text
    assert "Two-factor authentication is now required" in page
    assert editor.get("/desk/", base_url=BASE).headers["Location"] == ACCOUNT
    assert post(editor, "/desk/issues/1", action="save").status_code == 403
    set_up_app(editor, clock)
    get(editor, "/desk/")


def test_an_owner_can_reset_another_user_s_second_factor(desk: Site, clock: time_machine.Traveller) -> None:
    owner, editor = signed_in(desk, "owner"), signed_in(desk)
    set_up_app(editor, clock)
    number = user_id(desk, "editor")
    page = post(owner, f"/desk/team/{number}/reset-second-factor").text
    assert "can now sign in with a link alone" in page
    assert editor.get("/desk/", base_url=BASE).status_code == 303
    get(signed_in(desk), "/desk/")


def test_an_owner_can_end_another_user_s_sessions(desk: Site) -> None:
    owner, editor = signed_in(desk, "owner"), signed_in(desk)
    post(owner, f"/desk/team/{user_id(desk, 'editor')}/end-sessions")
    assert editor.get("/desk/", base_url=BASE).status_code == 303
    get(owner, "/desk/")


def test_a_user_sees_and_ends_only_their_own_sessions(desk: Site) -> None:
    first = desk.app.test_client()
    here, there, third = signed_in(desk), signed_in(desk), signed_in(desk)
    other = signed_in(desk, "viewer")
    page = get(here, ACCOUNT)
    assert page.count("network 127.0.0.0/24") == 3
    assert page.count("This session") == 1
    numbers = re.findall(r"/account/sessions/(\d+)/end", page)
    assert len(numbers) == 2
    post(here, f"{ACCOUNT}/sessions/{numbers[0]}/end")
    gone = [client.get("/desk/", base_url=BASE).status_code for client in (there, third)]
    assert sorted(gone) == [200, 303]
    assert post(other, f"{ACCOUNT}/sessions/{numbers[1]}/end").status_code == 404
    post(here, f"{ACCOUNT}/sessions/end-others")
    assert [client.get("/desk/", base_url=BASE).status_code for client in (there, third)] == [303, 303]
    get(here, "/desk/")
    get(other, "/desk/")
    assert first.get(ACCOUNT, base_url=BASE).status_code == 303


def test_signing_out_deletes_the_session_and_not_only_the_cookie(desk: Site) -> None:
    client = signed_in(desk)
    kept = client.get_cookie("__Host-digest", domain="news.example.org")
    post(client, "/desk/sign-out")
    client.set_cookie("__Host-digest", kept.value, domain="news.example.org", secure=True)
    assert client.get("/desk/", base_url=BASE).status_code == 303
    with desk.db.read() as session:
        assert session.scalars(select(LoginSession)).all() == []


def test_the_last_activity_is_recorded_once_a_minute_and_after_the_response(
    desk: Site, clock: time_machine.Traveller
) -> None:
    client = signed_in(desk)
    for seconds, noted in (
        (30, START),
        (30, START + timedelta(minutes=1)),
        (59, START + timedelta(minutes=1)),
    ):
        clock.shift(seconds)
        with client.get("/desk/", base_url=BASE) as answer:
            assert answer.status_code == 200
        with desk.db.read() as session:
            assert session.scalars(select(LoginSession.last_seen_at)).one() == noted
            assert session.scalar(select(User.last_seen_at).where(User.role == "editor")) == noted


def test_a_session_expires_after_three_days_without_activity(
    desk: Site, clock: time_machine.Traveller
) -> None:
    client = signed_in(desk)
    clock.shift(sessions.IDLE_TIMEOUT)
    assert client.get("/desk/", base_url=BASE).headers["Location"] == "/desk/sign-in"


def test_no_full_ip_address_and_no_fingerprint_is_stored(desk: Site) -> None:
    with desk.db.read() as session:
        token = users.create_sign_in_token(
            desk.signer, users.find_user(session, "editor@verdicts.io"), utcnow()
        )
    client, path = desk.app.test_client(), f"/desk/enter/{token}"
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    headers = {"User-Agent": agent, "X-Forwarded-For": "81.2.69.160"}
    client.post(path, data={"csrf_token": csrf_token(client, path)}, base_url=BASE, headers=headers)
    with desk.db.read() as session:
        visit = session.execute(select(LoginSession.network, LoginSession.browser)).one()
    assert tuple(visit) == ("81.2.69.0/24", "Firefox on Linux")


def test_a_malformed_session_key_signs_nobody_in(desk: Site) -> None:
    client = desk.app.test_client()
    for key in (None, 7, ["x"], "x" * 5000):
        with client.session_transaction(base_url=BASE) as session:
            session["key"] = key
        assert client.get("/desk/", base_url=BASE).status_code == 303


def test_a_retired_signing_key_locks_nobody_out(desk: Site, clock: time_machine.Traveller) -> None:
    _, codes = set_up_app(signed_in(desk), clock)
    with desk.db.begin() as session:
        session.execute(update(Factor).values(encrypted_secret="gAAAAABrubbish"))
    client = sign_in_with_link(desk)
    assert "set up two-factor authentication again" in post(client, SECOND, code="123456").text
    post(client, SECOND, code=codes[0])
    get(client, "/desk/")


def user_id(desk: Site, role: str) -> int:
    with desk.db.read() as session:
        return users.find_user(session, f"{role}@verdicts.io").id

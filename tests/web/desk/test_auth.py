"""Who can sign in, and what each role may do."""

import re
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from limits import parse
from sqlalchemy import func, select
from tests.web.desk.clients import csrf_token, get, load_issue, make_desk, pick_order, post, signed_in
from tests.web.factories import BASE, Site

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Letter
from digest.delivery.letters.letter_builder import build_mail
from digest.editorial import users
from digest.editorial.models import Role
from digest.errors import BadToken
from digest.render.parsed_mail import parse_mail
from digest.web.desk import auth
from digest.web.desk.access.sign_in import EMAILS_PER_LINK

OPEN = {
    "desk.access.sign_in",
    "desk.access.request_link",
    "desk.access.confirm_sign_in",
    "desk.access.finish_sign_in",
    "desk.access.start_oidc",
    "desk.access.oidc_callback",
}
AWAITING_SECOND_FACTOR = {
    "desk.access.second_factor",
    "desk.access.verify_code",
    "desk.access.passkey_request_options",
    "desk.access.verify_passkey",
}
OPEN |= (
    AWAITING_SECOND_FACTOR  # each needs a login session that has yet to pass, or repeats, its second factor
)
# Changes to one's own account, whatever the role.
OWN = {"desk.issues.set_reminders", *(f"desk.access.{name}" for name in (
    "sign_out", "end_session", "end_other_sessions", "end_all_sessions", "request_new_link", "start_app_setup",
    "finish_app_setup", "passkey_creation_options", "add_passkey", "rename_factor", "remove_factor", "generate_codes",
))}  # fmt: skip
LOOKS = {
    "desk.audience.search",
    "desk.switch_publication",
}  # a search that is a POST, so that no address stands in a URL
OWNERS = {f"desk.{name}" for name in (
    "access.team", "access.invite", "access.change_role", "access.remove_user", "access.end_user_sessions",
    "access.reset_second_factor", "access.require_second_factor", "access.audit_log", "settings.edit",
    "settings.save", "settings.create_publication", "settings.setup", "settings.setup_step",
    "settings.save_setup_step",
)}  # fmt: skip


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    """Who may do what does not depend on the kind of database."""
    return make_desk(sqlite, tmp_path)


def desk_rules(desk: Site) -> list[tuple[str, str, str]]:
    """Every desk route as (endpoint, method, path)."""
    rules = [rule for rule in desk.app.url_map.iter_rules() if rule.rule.startswith("/desk")]
    found = []
    for rule in rules:
        path = re.sub(r"<int:\w+>", "1", rule.rule).replace("<slug>", "x").replace("<token>", "x")
        found += [(rule.endpoint, method, path) for method in sorted(rule.methods & {"GET", "POST"})]
    assert len(found) > 25
    return found


def test_every_desk_route_needs_a_signed_in_user(desk: Site) -> None:
    stranger = desk.app.test_client()
    for endpoint, method, path in desk_rules(desk):
        if endpoint in OPEN:
            continue
        if method == "GET":
            answer = stranger.get(path, base_url=BASE)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/desk/sign-in"), path
        else:
            data = {"csrf_token": csrf_token(stranger, "/desk/sign-in")}
            assert stranger.post(path, base_url=BASE, data=data).status_code == 401, path


def test_every_change_needs_an_editor_and_the_team_needs_an_owner(desk: Site) -> None:
    needed = {}
    for endpoint, method, _ in desk_rules(desk):
        needed[endpoint, method] = auth.required_rank(desk.app.view_functions[endpoint], method)
    for (endpoint, method), rank in needed.items():
        if endpoint in OPEN:
            assert rank == auth.ANONYMOUS
        elif endpoint in OWNERS:
            assert rank == auth.RANK[Role.OWNER]
        elif method == "GET" or endpoint in OWN | LOOKS:
            assert rank >= auth.RANK[Role.VIEWER], endpoint
        else:
            assert rank >= auth.RANK[Role.EDITOR], endpoint


def test_every_post_without_a_csrf_token_is_refused(desk: Site) -> None:
    owner = signed_in(desk, "owner")
    before = desk.count_rows()
    for endpoint, method, path in desk_rules(desk):
        if method == "POST":
            assert owner.post(path, base_url=BASE, data={"action": "save"}).status_code == 400, endpoint
    assert desk.count_rows() == before


def test_a_viewer_sees_everything_and_changes_nothing(desk: Site) -> None:
    viewer = signed_in(desk, "viewer")
    before = pick_order(desk)
    page = get(viewer, "/desk/issues/1")
    assert 'name="action"' not in page
    for path in (
        "/desk/",
        "/desk/issues/1/preview",
        "/desk/issues/1/schedule",
        "/desk/comparisons",
        "/desk/subscribers",
    ):
        get(viewer, path)
    answer = post(viewer, "/desk/issues/1", action=f"remove:{before[0]}")
    assert answer.status_code == 403
    assert pick_order(desk) == before


def test_an_editor_cannot_manage_the_team(desk: Site) -> None:
    editor = signed_in(desk)
    get(editor, "/desk/team", 403)
    assert post(editor, "/desk/team", address="x@verdicts.io", role="owner").status_code == 403


def test_a_scanner_that_opens_a_sign_in_link_does_not_use_it_up(desk: Site) -> None:
    with desk.db.read() as session:
        token = users.create_sign_in_token(
            desk.signer, users.find_user(session, "editor@verdicts.io"), utcnow()
        )
    path = f"/desk/enter/{token}"
    for _ in range(3):
        get(desk.app.test_client(), path)
    client = desk.app.test_client()
    assert post(client, path).status_code == 200
    assert post(desk.app.test_client(), path).status_code == 400


def test_an_expired_link_says_so(desk: Site) -> None:
    with desk.db.read() as session:
        user = users.find_user(session, "editor@verdicts.io")
        token = users.create_sign_in_token(
            desk.signer, user, utcnow() - timedelta(days=2), timedelta(minutes=5)
        )
    assert "expired" in get(desk.app.test_client(), f"/desk/enter/{token}", 400)


def test_the_sign_in_page_does_not_reveal_who_is_a_user(desk: Site) -> None:
    known = post(desk.app.test_client(), "/desk/sign-in", address="Editor@verdicts.io").get_data(as_text=True)
    unknown = post(desk.app.test_client(), "/desk/sign-in", address="nobody@verdicts.io").get_data(
        as_text=True
    )
    assert known == unknown
    with desk.db.read() as session:
        letters = session.scalars(select(Letter)).all()
        assert [letter.kind for letter in letters] == ["sign_in"]


def ask_for_a_link(client: FlaskClient, network: str = "127.0.0.1") -> int:
    """Ask for a sign-in link for the editor."""
    data = {"csrf_token": csrf_token(client, "/desk/sign-in"), "address": "editor@verdicts.io"}
    headers = {"X-Forwarded-For": network}
    return client.post("/desk/sign-in", base_url=BASE, data=data, headers=headers).status_code


def count_letters(desk: Site) -> int:
    with desk.db.read() as session:
        return session.scalar(select(func.count()).select_from(Letter)) or 0


def test_sign_in_emails_are_rate_limited(desk: Site) -> None:
    strangers = [desk.app.test_client() for _ in range(3)]
    answers = [ask_for_a_link(client, f"9.9.{n}.9") for n, client in enumerate(strangers * 4)]
    assert answers == [200] * 12
    assert count_letters(desk) == 1
    with desk.db.read() as session:
        user = users.find_user(session, "editor@verdicts.io")
        token = users.create_sign_in_token(desk.signer, user, utcnow())
    assert post(strangers[0], f"/desk/enter/{token}").status_code == 200
    assert ask_for_a_link(desk.app.test_client()) == 200  # another device of theirs, right afterwards
    assert count_letters(desk) == 2


def test_the_link_in_the_inbox_outlives_the_wait_for_the_next() -> None:
    wait = timedelta(seconds=parse(EMAILS_PER_LINK).get_expiry())
    assert timedelta() < wait < users.EMAIL_LINK_LIFETIME


def test_a_stranger_cannot_lock_a_user_out(desk: Site) -> None:
    ours = signed_in(desk)
    post(ours, "/desk/sign-out")
    stranger = desk.app.test_client()
    assert {ask_for_a_link(stranger) for _ in range(25)} == {200}  # in the same network as ours
    before = count_letters(desk)
    assert ask_for_a_link(ours) == 200
    assert count_letters(desk) == before + 1
    with desk.db.read() as session:
        token = users.create_sign_in_token(
            desk.signer, users.find_user(session, "editor@verdicts.io"), utcnow()
        )
    for _ in range(65):
        answer = stranger.post(f"/desk/enter/{token[:-4]}AAAA", base_url=BASE)
    assert answer.status_code == 400
    assert post(ours, f"/desk/enter/{token}").status_code == 200
    assert "editor@verdicts.io" in get(ours, "/desk/account")


def test_a_first_browser_signs_in_whatever_others_in_its_network_do(desk: Site) -> None:
    stranger, ours = desk.app.test_client(), desk.app.test_client()
    for _ in range(40):
        post(stranger, "/desk/sign-in", address="nobody@verdicts.io")
        post(stranger, "/desk/enter/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", page="/desk/sign-in")
        post(stranger, "/desk/second-factor", page="/desk/sign-in")
    assert ask_for_a_link(ours) == 200
    assert count_letters(desk) == 1
    with desk.db.read() as session:
        token = users.create_sign_in_token(
            desk.signer, users.find_user(session, "editor@verdicts.io"), utcnow()
        )
    assert post(ours, f"/desk/enter/{token}").status_code == 200
    assert post(ours, "/desk/second-factor", page="/desk/account", code="000000").status_code != 429


def test_signing_in_leads_to_the_page_that_was_requested(desk: Site) -> None:
    client = desk.app.test_client()
    client.get("/desk/issues/1/schedule?day=2027-01-05", base_url=BASE)
    with desk.db.read() as session:
        token = users.create_sign_in_token(
            desk.signer, users.find_user(session, "editor@verdicts.io"), utcnow()
        )
    path = f"/desk/enter/{token}"
    answer = client.post(path, data={"csrf_token": csrf_token(client, path)}, base_url=BASE)
    assert answer.headers["Location"] == "/desk/issues/1/schedule?day=2027-01-05"


def test_all_sessions_end_at_once(desk: Site) -> None:
    here, there = signed_in(desk), signed_in(desk)
    post(here, "/desk/end-sessions")
    assert there.get("/desk/", base_url=BASE).status_code == 303


def test_the_session_cookie_is_secure_http_only_and_same_site(desk: Site) -> None:
    client = desk.app.test_client()
    cookie = client.get("/desk/sign-in", base_url=BASE).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" in cookie


def test_on_plain_http_the_cookie_works_too(sqlite: Database, tmp_path: Path) -> None:
    desk = make_desk(sqlite, tmp_path, "http://127.0.0.1:8000")
    get(signed_in(desk), "/desk/")


def test_an_owner_invites_promotes_and_removes(desk: Site) -> None:
    owner = signed_in(desk, "owner")
    page = post(owner, "/desk/team", address="new@verdicts.io", role="viewer").get_data(as_text=True)
    assert "new@verdicts.io is invited" in page
    with desk.db.read() as session:
        number = users.find_user(session, "new@verdicts.io").id
    newcomer = signed_in(desk, "new")
    post(owner, f"/desk/team/{number}/role", role="editor")
    assert post(newcomer, "/desk/issues/1", action="save").status_code == 200
    post(owner, f"/desk/team/{number}/remove")
    assert newcomer.get("/desk/", base_url=BASE).status_code == 303


def test_an_owner_cannot_remove_themselves(desk: Site) -> None:
    owner = signed_in(desk, "owner")
    with desk.db.read() as session:
        number = users.find_user(session, "owner@verdicts.io").id
    page = post(owner, f"/desk/team/{number}/remove").get_data(as_text=True)
    assert "You cannot change or remove yourself" in page
    get(owner, "/desk/team")


@pytest.mark.parametrize("act", ["role", "remove"])
def test_two_owners_who_remove_each_other_at_once_leave_one(db: Database, tmp_path: Path, act: str) -> None:
    desk = make_desk(db, tmp_path)
    with db.begin() as session:
        users.invite_user(session, "second@verdicts.io", "owner", utcnow())
    numbers = {}
    with db.read() as session:
        numbers = {name: users.find_user(session, f"{name}@verdicts.io").id for name in ("owner", "second")}
    start = threading.Barrier(2)

    def put_out(me: str, other: str) -> None:
        client = signed_in(desk, me)
        data = {"csrf_token": csrf_token(client, "/desk/team"), "role": "viewer"}
        start.wait()
        client.post(f"/desk/team/{numbers[other]}/{act}", base_url=BASE, data=data)

    both = [
        threading.Thread(target=put_out, args=pair) for pair in (("owner", "second"), ("second", "owner"))
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    with db.read() as session:
        assert [user.role for user in users.list_users(session)].count("owner") == 1


def test_the_history_keeps_the_address_of_a_removed_user(desk: Site) -> None:
    owner, editor = signed_in(desk, "owner"), signed_in(desk)
    post(
        editor,
        "/desk/issues/1/schedule",
        action="schedule",
        day="2030-01-01",
        clock="09:00",
        zone="UTC",
        hold="10",
    )
    assert load_issue(desk).state == "scheduled"
    with desk.db.read() as session:
        number = users.find_user(session, "editor@verdicts.io").id
    post(owner, f"/desk/team/{number}/remove")
    assert "by editor@verdicts.io" in get(owner, "/desk/issues/1/report")


def test_anonymous_input_that_is_too_large_or_cannot_be_stored_is_refused(
    db: Database, tmp_path: Path
) -> None:
    stranger = make_desk(db, tmp_path).app.test_client()
    proof = csrf_token(stranger, "/desk/sign-in")
    for address, status in (
        ("a" * 20_000, 413),
        ("\0@verdicts.io", 400),
    ):
        data = {"csrf_token": proof, "address": address}
        assert stranger.post("/desk/sign-in", base_url=BASE, data=data).status_code == status


def test_an_editor_s_input_is_limited_too(desk: Site) -> None:
    editor = signed_in(desk)
    data = {"csrf_token": csrf_token(editor, "/desk/comparisons"), "page": "x" * 9_000_000}
    answer = editor.post("/desk/comparisons", base_url=BASE, data=data)
    assert (answer.status_code, "Too large" in answer.text) == (413, True)


@pytest.mark.parametrize(
    "path",
    [
        "/desk/issues/{}",
        "/desk/subscribers/{}",
        "/desk/subscribers?after={}",
        "/desk/issues/1/deliveries?after={}",
        "/desk/?before={}",
        "/desk/comparisons?before={}",
        "/desk/comparisons/imports/{}",
    ],
)
def test_an_unknown_number_is_no_server_error(desk: Site, path: str) -> None:
    editor = signed_in(desk)
    for number in ("9" * 15, "9" * 16, "9" * 4000, "٣"):
        assert editor.get(path.format(number), base_url=BASE).status_code in {200, 404}


def test_actions_with_invalid_numbers_are_no_server_error(desk: Site) -> None:
    editor = signed_in(desk)
    for action in ("add:" + "9" * 30, "remove:٣", "exclude:٣", "move_up:-1", "restore:0", "swap:1-x"):
        assert post(editor, "/desk/issues/1", action=action).status_code == 404, action
    for action in ("undo:²", "reorder:²", "swap:", "nothing"):
        assert post(editor, "/desk/issues/1", action=action, order="²").status_code < 500, action


@pytest.mark.parametrize("path", ["/desk/issues/99", "/desk/comparisons/nothing", "/desk/subscribers/99"])
def test_a_missing_page_is_reported_within_the_desk_s_layout(desk: Site, path: str) -> None:
    page = get(signed_in(desk), path, 404)
    assert "Page not found" in page
    assert "<title>Page not found · Desk</title>" in page
    assert '<nav aria-label="Desk">' in page


def test_an_invitation_names_inviter_and_role_and_is_valid_for_a_week(desk: Site) -> None:
    post(signed_in(desk, "owner"), "/desk/team", address="new@verdicts.io", role="viewer")
    with desk.db.begin() as session:
        letter = session.scalars(select(Letter).where(Letter.kind == "invitation")).one()
        mail = build_mail(session, letter, signer=desk.signer, base_url=BASE, now=utcnow())
        read = parse_mail(bytes(mail.data))
        assert "owner@verdicts.io invites you to" in read.subject
        words = " ".join(read.text.split())
        assert "as a viewer: you can read issues and their reports." in words
        assert "expires after 7 days" in words
        token = re.search(r"/desk/enter/(\S+)", read.text)[1]
        users.check_sign_in_token(session, desk.signer, token, utcnow() + timedelta(days=6))
        with pytest.raises(BadToken):
            users.check_sign_in_token(session, desk.signer, token, utcnow() + timedelta(days=8))

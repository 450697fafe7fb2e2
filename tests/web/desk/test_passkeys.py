"""Passkeys in a real browser with a virtual authenticator, and how the server treats an invalid response."""

import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select, update
from tests.web.desk.clients import csrf_token, make_desk, post, signed_in
from tests.web.factories import BASE, Site
from werkzeug.serving import make_server

from digest.access.models import Factor, LoginSession
from digest.access.relying_party import relying_party
from digest.db import Database, connect, utcnow
from digest.editorial import users


@pytest.fixture(scope="module")
def served(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    home = tmp_path_factory.mktemp("passkeys")
    shutil.copy(sqlite_template, home / "digest.sqlite3")
    database = connect(f"sqlite:///{home / 'digest.sqlite3'}")
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    url = f"http://localhost:{server.port}"
    desk = make_desk(database, home, url)
    server.app = desk.app
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield desk, url
    server.shutdown()
    server.server_close()
    thread.join(5)
    database.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    context.set_default_timeout(90_000)
    yield context
    context.close()


def authenticator(page: Page) -> tuple[Any, str]:
    """A security key of software, in this page's browser."""
    wire = page.context.new_cdp_session(page)
    wire.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return wire, wire.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def enter(page: Page, served: tuple[Site, str], role: str = "editor") -> None:
    desk, url = served
    with desk.db.read() as session:
        token = users.create_sign_in_token(
            desk.signer, users.find_user(session, f"{role}@verdicts.io"), utcnow()
        )
    page.goto(f"{url}/desk/enter/{token}")
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.browser
def test_a_passkey_is_set_up_and_used_and_a_copy_is_refused(
    served: tuple[Site, str], tab: BrowserContext
) -> None:
    desk, url = served
    page = tab.new_page()
    said = list[str]()
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    wire, device = authenticator(page)
    enter(page, served)
    page.goto(f"{url}/desk/account")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    assert page.locator(".codes li").count() == 10
    assert not Axe().run(page).response["violations"]
    page.get_by_role("link", name="I have saved them").click()
    expect(page.locator(".account-list .tag").first).to_have_text("Passkey")
    assert not Axe().run(page).response["violations"]

    tab.clear_cookies()
    enter(page, served)
    expect(page.get_by_role("heading", name="Two-factor authentication")).to_be_visible()
    assert not Axe().run(page).response["violations"]
    page.get_by_role("button", name="Use passkey").click()
    expect(page.get_by_role("link", name="Issues")).to_be_visible()
    with desk.db.begin() as session:
        assert (
            session.scalars(select(LoginSession.method).order_by(LoginSession.id.desc())).first()
            == "letter and passkey"
        )
        session.execute(update(Factor).values(sign_count=1_000_000))  # the original went on, this is a copy

    tab.clear_cookies()
    enter(page, served)
    page.get_by_role("button", name="Use passkey").click()
    expect(page.get_by_role("alert").first).to_contain_text("That code is wrong")

    wire.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": device})
    assert not said


@pytest.mark.browser
def test_the_team_and_the_audit_log_are_accessible_on_any_screen(
    served: tuple[Site, str], tab: BrowserContext
) -> None:
    page = tab.new_page()
    enter(page, served, "owner")
    for path, scheme in (("team", "light"), ("audit-log", "dark"), ("account", "dark")):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": 360, "height": 800})
        answer = page.goto(f"{served[1]}/desk/{path}")
        assert answer is not None
        assert answer.ok, path
        assert not Axe().run(page).response["violations"], path
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_a_response_to_an_unknown_challenge_is_refused(sqlite: Database, tmp_path: Path) -> None:
    desk = make_desk(sqlite, tmp_path)
    client = signed_in(desk)
    options = post(client, "/desk/account/passkey/options").get_json()
    assert len(options["challenge"]) >= 43
    assert options["rp"]["id"] == "news.example.org"
    assert "editor@" not in options["user"]["id"]
    for answer in (
        "",
        "{}",
        "[]",
        "null",
        json.dumps({"id": "x", "rawId": "x", "type": "public-key", "response": {}}),
    ):
        page = post(client, "/desk/account/passkey", credential=answer, name="Key").text
        assert "The passkey was not created" in page, answer
    with sqlite.read() as session:
        assert session.scalars(select(Factor)).all() == []


def test_an_invalid_response_does_not_sign_in(sqlite: Database, tmp_path: Path) -> None:
    desk = make_desk(sqlite, tmp_path)
    with sqlite.begin() as session:
        editor = users.find_user(session, "editor@verdicts.io")
        facts = {"name": "Key", "created_at": utcnow(), "credential": "a2V5", "public_key": b"no key"}
        session.add(Factor(user_id=editor.id, kind="passkey", **facts))
    client = signed_in(desk)
    proof = {"csrf_token": csrf_token(client, "/desk/second-factor")}
    client.post("/desk/second-factor/options", base_url=BASE, data=proof)
    known = {"id": "a2V5", "rawId": "a2V5", "type": "public-key"}
    response = {"clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA"}
    for answer in ("{}", "nonsense", json.dumps(known | {"response": response})):
        client.post("/desk/second-factor/passkey", base_url=BASE, data=proof | {"credential": answer})
        assert client.get("/desk/", base_url=BASE).headers["Location"] == "/desk/second-factor"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://news.example.org", "news.example.org"),
        ("http://localhost:8000", "localhost"),
        ("http://127.0.0.1:8000", None),
        ("https://192.0.2.7", None),
        ("https://[2001:db8::1]", None),
        ("http://news.example.org", None),
    ],
)
def test_passkeys_are_offered_where_browsers_have_them(url: str, host: str | None) -> None:
    found = relying_party(url, "Ship or Skip")
    assert (found and found.id) == host


def test_the_page_has_no_inline_script(sqlite: Database, tmp_path: Path) -> None:
    client = signed_in(make_desk(sqlite, tmp_path))
    answer = client.get("/desk/account", base_url=BASE)
    assert re.search(r"script-src 'self'(;|$)", answer.headers["Content-Security-Policy"])
    assert not re.search(r"<script(?![^>]*\ssrc=)", answer.text)

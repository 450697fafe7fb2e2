"""Promises of docs/security.md that belong to no single page; each test named there must exist."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tests.web.desk.clients import csrf_token, get, make_desk, post, signed_in
from tests.web.factories import BASE, Site

from digest.db import Database, utcnow
from digest.editorial import users

ROOT = Path(__file__).parents[2]
COOKIE = "__Host-digest"
HOST = "news.example.org"


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path) -> Site:
    return make_desk(sqlite, tmp_path)


def cookie(client: FlaskClient) -> str:
    found = client.get_cookie(COOKIE, domain=HOST)
    assert found is not None
    return found.value


def link(desk: Site, role: str = "editor") -> str:
    with desk.db.read() as session:
        return f"/desk/enter/{users.create_sign_in_token(desk.signer, users.find_user(session, f'{role}@verdicts.io'), utcnow())}"


def desk_pages(desk: Site) -> Iterator[str]:
    for rule in desk.app.url_map.iter_rules():
        if rule.rule.startswith("/desk") and "GET" in (rule.methods or set()):
            yield re.sub(r"<[^>]+>", "1", rule.rule)


def test_the_session_cookie_is_host_only_http_only_and_secure(desk: Site) -> None:
    client = desk.app.test_client()
    said = client.get("/desk/sign-in", base_url=BASE).headers["Set-Cookie"]
    assert said.startswith(f"{COOKIE}=")
    for flag in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/"):
        assert flag in said.split("; ")
    assert "domain=" not in said.lower()


def test_a_planted_session_is_replaced_at_sign_in(desk: Site) -> None:
    attacker, victim = signed_in(desk, "viewer"), desk.app.test_client()
    planted = cookie(attacker)
    victim.set_cookie(COOKIE, planted, domain=HOST, secure=True)
    post(victim, link(desk))
    assert cookie(victim) != planted
    assert "editor@verdicts.io" in get(victim, "/desk/account")
    assert attacker.get("/desk/", base_url=BASE).status_code == 303


def test_a_browser_cannot_forge_a_session(desk: Site) -> None:
    client = signed_in(desk)
    value = cookie(client)
    for forged in (value[:-3] + "AAA", "eyJrZXkiOiJ4In0.aaaa.bbbb", ""):
        thief = desk.app.test_client()
        thief.set_cookie(COOKIE, forged, domain=HOST, secure=True)
        assert thief.get("/desk/", base_url=BASE).status_code == 303


def test_a_csrf_token_works_only_in_its_own_session(desk: Site) -> None:
    other = csrf_token(signed_in(desk, "viewer"), "/desk/account")
    editor = signed_in(desk)
    answer = editor.post("/desk/issues/1", base_url=BASE, data={"csrf_token": other, "action": "save"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "asked",
    [
        "/desk//evil.example",
        "/desk/\\evil.example",
        "/desk/?next=https://evil.example",
        "/desk/@evil.example",
    ],
)
def test_sign_in_redirects_only_within_the_desk(desk: Site, asked: str) -> None:
    client = desk.app.test_client()
    client.get(asked, base_url=BASE)
    path = link(desk)
    for _ in range(2):
        data = {"csrf_token": csrf_token(client, path), "next": "https://evil.example"}
        aim = client.post(f"{path}?next=//evil.example", base_url=BASE, data=data).headers.get(
            "Location", "/desk/"
        )
        assert re.match(r"/desk(/|$)", aim)


@pytest.mark.parametrize(
    "came_from", ["https://evil.example/desk/issues/1", "//evil.example/desk", "javascript:alert(1)"]
)
def test_a_refused_change_redirects_only_to_our_own_pages(desk: Site, came_from: str) -> None:
    editor = signed_in(desk)
    data = {"csrf_token": csrf_token(editor, "/desk/issues/1")}
    answer = editor.post("/desk/issues/1/pause", base_url=BASE, data=data, headers={"Referer": came_from})
    assert answer.headers["Location"].startswith("/desk/")


def test_a_sign_in_link_works_once_even_when_pressed_twice_at_once(desk: Site) -> None:
    path = link(desk)
    first, second = desk.app.test_client(), desk.app.test_client()
    proofs = [csrf_token(client, path) for client in (first, second)]
    codes = [
        client.post(path, base_url=BASE, data={"csrf_token": proof}).status_code
        for client, proof in zip((first, second), proofs, strict=True)
    ]
    assert codes == [303, 400]


def test_the_page_with_the_sign_in_token_does_not_leak_it(desk: Site) -> None:
    answer = desk.app.test_client().get(link(desk), base_url=BASE)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_desk_pages_are_not_cached(desk: Site) -> None:
    owner, seen = signed_in(desk, "owner"), 0
    for path in desk_pages(desk):
        with owner.get(path, base_url=BASE) as answer:
            assert answer.headers["Cache-Control"] == "no-store", path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            policy = answer.headers["Content-Security-Policy"]
            seen += 1
        assert "object-src 'none'" in policy or "sandbox" in policy or "default-src 'none'" in policy, path
        assert "frame-ancestors" in policy, path
        assert not re.search(r"script-src[^;]*(unsafe|http|\*)", policy), path
    assert seen > 20


def test_hsts_lasts_a_year(desk: Site) -> None:
    said = desk.app.test_client().get("/healthz", base_url=BASE).headers["Strict-Transport-Security"]
    assert said == "max-age=31536000"


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "PROPFIND"])
def test_other_methods_are_refused(desk: Site, method: str) -> None:
    assert desk.app.test_client().open("/desk/sign-in", method=method, base_url=BASE).status_code == 405


@pytest.mark.parametrize(
    "path", ["/static/", "/static/../config.py", "/static/%2e%2e/config.py", "/.git/config"]
)
def test_only_intended_files_are_served(desk: Site, path: str) -> None:
    assert desk.app.test_client().get(path, base_url=BASE).status_code == 404


def test_an_unknown_host_header_does_not_end_up_in_links(desk: Site) -> None:
    client = desk.app.test_client()
    page = client.get("/desk/sign-in", base_url="https://evil.example")
    assert "evil.example" not in page.text
    assert "evil.example" not in client.get("/", base_url="https://evil.example").text


def test_an_upload_never_chooses_where_it_is_written(desk: Site, tmp_path: Path) -> None:
    import io

    editor = signed_in(desk)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    for name in ("../../evil.txt", "/etc/evil.txt", "..", "a\\..\\b.txt", "x" * 300 + ".txt", "nul\0.txt"):
        data = {
            "csrf_token": csrf_token(editor, "/desk/comparisons"),
            "files": (io.BytesIO(b"no comparison"), name),
        }
        answer = editor.post("/desk/comparisons", base_url=BASE, data=data, follow_redirects=True)
        assert answer.status_code in {200, 400, 404}, name
    assert sorted(path.name for path in tmp_path.rglob("*") if "sqlite" not in path.name) == [
        name for name in before if "sqlite" not in name
    ]


def test_a_refused_request_is_logged_without_its_content(
    desk: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    viewer = signed_in(desk, "viewer")
    post(viewer, "/desk/issues/1", action="save", intro="a secret sentence")
    viewer.post("/desk/issues/1", base_url=BASE, data={"csrf_token": "forged"})
    told = [
        record
        for record in caplog.records
        if record.message in {"request refused", "CSRF token missing or invalid"}
    ]
    assert [getattr(record, "status", None) for record in told] == [403, None]
    assert (told[0].user, told[0].endpoint) == (3, "desk.drafts.update")
    assert "secret" not in caplog.text
    assert "forged" not in caplog.text


def test_signing_out_is_on_every_page(desk: Site) -> None:
    editor = signed_in(desk)
    for path in ("/desk/", "/desk/issues/1", "/desk/account", "/desk/subscribers", "/desk/comparisons"):
        assert 'action="/desk/sign-out' in get(editor, path)


def test_the_debugger_is_never_on(desk: Site) -> None:
    assert not desk.app.debug
    assert not desk.app.testing
    assert not any("app.run(" in path.read_text() for path in (ROOT / "src").rglob("*.py"))


def test_our_code_contains_no_dangerous_calls() -> None:
    dangerous = r"\b(eval|exec|pickle\.loads?|yaml\.load|os\.system|marshal\.loads?)\(|shell=True|verify=False|\bmd5\b"
    for path in (ROOT / "src").rglob("*.py"):
        found = re.search(dangerous, path.read_text())
        assert not found, f"{path}: {found[0]}"

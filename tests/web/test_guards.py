"""Rules that hold for every route, tested against the URL map."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from tests.tracking.click_tokens import click_token
from tests.web.factories import Site, make_site
from tests.web.subscribers import create_subscriber
from werkzeug.routing import Rule

from digest.audience import tokens
from digest.db import Base, Database, utcnow
from digest.web.guards import csrf

SAFE = {"GET", "HEAD", "OPTIONS"}
GUARDED_BY_TOKEN = {"/confirm/<token>", "/preferences/<token>", "/unsubscribe/<token>"}
GUARDED_BY_FORM = {"/subscribe", "/p/<publication>/subscribe"}


def changing(shop: Site) -> Iterator[Rule]:
    return (rule for rule in shop.app.url_map.iter_rules() if (rule.methods or set()) - SAFE)


def test_every_route_that_changes_something_has_its_guard(shop: Site) -> None:
    for rule in changing(shop):
        view = shop.app.view_functions[rule.endpoint]
        wanted = (
            "token" if rule.rule in GUARDED_BY_TOKEN else "form" if rule.rule in GUARDED_BY_FORM else None
        )
        assert getattr(view, "guard", None) == wanted, rule.rule
        exempt = f"{view.__module__}.{view.__name__}" in csrf._exempt_views
        assert exempt == (wanted is not None), rule.rule
    assert not csrf._exempt_blueprints


def test_a_post_without_a_csrf_token_is_refused_everywhere_else(shop: Site) -> None:
    before = contents(shop)
    client = shop.app.test_client()
    for rule in changing(shop):
        if rule.rule in GUARDED_BY_TOKEN | GUARDED_BY_FORM:
            continue
        path = fill(rule, shop)
        for method in (rule.methods or set()) - SAFE:
            assert client.open(path, method=method).status_code in {400, 403}, rule.rule
    assert contents(shop) == before


def test_no_get_and_no_head_changes_anything_but_raw_clicks(shop: Site) -> None:
    with shop.db.begin() as session:
        for name in ("ada", "bob"):
            create_subscriber(session, 1, f"{name}@example.org", "active" if name == "ada" else "pending")
    client = shop.app.test_client()
    before = contents(shop)
    seen = set()
    for rule in shop.app.url_map.iter_rules():
        if "GET" not in (rule.methods or set()):
            continue
        path = fill(rule, shop)
        for method in ("GET", "HEAD"):
            with client.open(path, method=method, headers={"User-Agent": "scanner"}) as answer:
                answer.get_data()
            assert answer.status_code < 500 or rule.rule == "/readyz", (rule.rule, answer.status_code)
            if not rule.rule.startswith(("/desk", "/readyz")):
                assert answer.status_code in {200, 302}, (rule.rule, path)
        seen.add(rule.rule)
    assert {"/go/<token>", *GUARDED_BY_TOKEN} <= seen
    after = contents(shop)
    clicks = [(before.pop(table), after.pop(table)) for table in ("click", "click_hour")]
    assert after == before
    assert all(one != other for one, other in clicks)


def test_every_response_has_the_security_headers(shop: Site) -> None:
    client = shop.app.test_client()
    for path in (
        "/",
        "/nowhere",
        "/issues.atom",
        "/static/digest.css",
        "/healthz",
        "/unsubscribe/x",
        "/desk/",
    ):
        with client.get(path) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert headers["Referrer-Policy"] in {"no-referrer", "strict-origin-when-cross-origin"}
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_plain_http_sends_no_hsts_header(sqlite: Database, tmp_path: Path) -> None:
    answer = make_site(sqlite, tmp_path, "http://127.0.0.1:8000").app.test_client().get("/healthz")
    assert "Strict-Transport-Security" not in answer.headers


def test_no_template_contains_what_the_policy_forbids() -> None:
    folder = Path(__file__).parents[2] / "src/digest/web/templates"
    for page in folder.rglob("*.html"):
        found = re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", page.read_text())
        assert not found, page.name
    with_script = [page.name for page in folder.glob("*.html") if "<script" in page.read_text()]
    assert with_script == ["one_more_step.html"]  # shown only when many sign up; it works without


def test_an_unexpected_error_shows_a_plain_page_without_a_traceback(shop: Site) -> None:
    shop.app.view_functions["archive.issues"] = lambda: 1 / 0  # type: ignore[return-value]  # it never returns
    answer = shop.app.test_client().get("/issues")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "ZeroDivision" not in answer.text


def test_an_unreachable_database_is_reported_plainly(shop: Site) -> None:
    def away() -> str:
        raise OperationalError("SELECT secret", None, Exception("host=10.1.2.3 refused"))

    shop.app.view_functions["site.front"] = away
    answer = shop.app.test_client().get("/")
    assert answer.status_code == 503
    assert "10.1.2.3" not in answer.text
    assert "secret" not in answer.text


def test_an_api_client_gets_errors_as_json(shop: Site) -> None:
    answer = shop.app.test_client().get("/issues/7", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.mimetype) == (404, "application/json")
    assert answer.get_json()["status"] == "error"


def contents(shop: Site) -> dict[str, str]:
    """A hash of every table's rows."""
    with shop.db.read() as session:
        return {
            name: hashlib.sha256(
                repr(sorted(map(repr, session.execute(select(table)).all()))).encode()
            ).hexdigest()
            for name, table in Base.metadata.tables.items()
        }


def fill(rule: Rule, shop: Site) -> str:
    """A path for this rule, with real values."""
    token = {
        "/confirm/<token>": tokens.confirm_token(shop.signer, 1, 2, utcnow()),
        "/preferences/<token>": tokens.preferences_token(shop.signer, 1, 1),
        "/unsubscribe/<token>": tokens.unsubscribe_token(shop.signer, 1, 1, 1),
        "/go/<token>": click_token(shop.signer, 1, 0, 1),
    }.get(rule.rule, "x")
    values = {
        "token": token,
        "slug": "parsnip-vs-lantern-db",
        "filename": "digest.css",
        "number": 41,
        "publication": "ship-or-skip",
    }
    path = rule.rule
    for name in rule.arguments:
        path = re.sub(rf"<(?:[^<>:]*:)?{name}>", str(values.get(name, 1)), path)
    return path

"""Every route that changes something is guarded: by a CSRF token, by a role, and by a rate limit if it is public.

`faults` asks the URL map itself, so a new route without its guards fails here.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Blueprint, Flask
from limits import parse
from tests.web.desk.clients import make_desk
from tests.web.desk.oidc_provider import CLIENT, SECRET
from tests.web.factories import BASE, KEYS, Site
from werkzeug.routing import Rule

from digest.db import Database
from digest.editorial.models import Role
from digest.web import make_app
from digest.web.desk import auth
from digest.web.desk.access import audit_log
from digest.web.desk.access.oidc import Provider
from digest.web.guards import csrf

SAFE = {"GET", "HEAD", "OPTIONS"}

# Routes without a CSRF token, and why.
WITHOUT_PROOF = {
    "reader.confirm": "the token in the URL is the proof (RFC 8058 for unsubscribing): a mail program has no session",
    "reader.update_preferences": "as confirm",
    "reader.unsubscribe": "as confirm; a mail program posts it by itself (RFC 8058, 3.2)",
    "sign_up.subscribe": "a signed form of ours and limits; programs may sign up with JSON",
}
# Public routes without a limit per network, and why.
WITHOUT_LIMIT = {
    "reader.confirm": "nobody can guess a 128-bit tag, and a second POST changes nothing",
    "reader.update_preferences": "as confirm",
    "reader.unsubscribe": "as confirm; mail programs send it for thousands of readers from one network",
    "sign_up.subscribe": "counts by network and in all itself: tests/web/test_sign_up_price.py",
    "desk.access.request_link": "limits emails per user and browser, and refuses nobody: tests/web/desk/test_auth.py",
    "desk.access.finish_sign_in": "nobody can guess a 128-bit tag, and neighbours could use up a limit",
    "mailbox.clear": "answers on loopback only, without a proxy: tests/ops/test_mailbox.py",
}
# Desk routes for visitors who are not signed in, and why.
FOR_OUTSIDERS = {
    "desk.access.request_link": "requests a sign-in email",
    "desk.access.finish_sign_in": "carries the token from the sign-in email",
    "desk.access.start_oidc": "goes to the team's provider",
    "desk.access.verify_code": "the second factor is still missing",
    "desk.access.passkey_request_options": "the second factor is still missing",
    "desk.access.verify_passkey": "the second factor is still missing",
}
# Changes that a viewer may make: how they themselves sign in, and what only they see.
OF_VIEWERS = {
    *(f"desk.access.{name}" for name in (
        "sign_out", "end_session", "end_other_sessions", "end_all_sessions", "request_new_link", "start_app_setup",
        "finish_app_setup", "passkey_creation_options", "add_passkey", "rename_factor", "remove_factor",
        "generate_codes",
    )),
    "desk.audience.search", "desk.switch_publication", "desk.issues.set_reminders",
}  # fmt: skip
# Changes of who can sign in, or how, need recent authentication (ASVS 7.5.1 and 7.5.2).
FRESH = {f"desk.access.{name}" for name in (
    "end_session", "end_other_sessions", "start_app_setup", "finish_app_setup", "passkey_creation_options",
    "add_passkey", "remove_factor", "generate_codes", "reset_second_factor", "require_second_factor", "invite",
    "change_role", "remove_user",
)}  # fmt: skip
# Changes on the team page that do not need it, and why.
WITHOUT_FRESH = {"desk.access.end_user_sessions": "gives no access; users who are signed out sign in again"}


def changing(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - SAFE):
            yield rule, method


def faults(app: Flask) -> list[str]:
    """Return the routes whose guards are missing or wrong, one line each."""
    found = []
    for rule, method in changing(app):
        view = app.view_functions[rule.endpoint]
        where = f"{method} {rule.rule}"
        bare = f"{view.__module__}.{view.__name__}" in csrf._exempt_views
        if bare != (rule.endpoint in WITHOUT_PROOF):
            found.append(f"{where} has no CSRF protection, and no reason is given")
        outside = True
        if rule.endpoint.startswith("desk."):
            rank = auth.required_rank(view, method)
            outside = rank == auth.ANONYMOUS
            if outside and rule.endpoint not in FOR_OUTSIDERS:
                found.append(f"{where} requires no role")
            if rank == auth.RANK[Role.VIEWER] and rule.endpoint not in OF_VIEWERS:
                found.append(f"{where} lets a viewer change something")
        if outside and not getattr(view, "rate", None) and rule.endpoint not in WITHOUT_LIMIT:
            found.append(f"{where} has no rate limit")
        of_people = rule.rule.startswith("/desk/team") and rule.endpoint not in WITHOUT_FRESH
        if (of_people or rule.endpoint in FRESH) and not getattr(view, "fresh", False):
            found.append(f"{where} changes who can sign in, or how, without recent authentication")
    return found


@pytest.fixture
def site(sqlite: Database, tmp_path: Path) -> Site:
    """The complete app, with the mailbox and an identity provider."""
    made = make_desk(sqlite, tmp_path)
    known = Provider("http://127.0.0.1:9", CLIENT, SECRET)
    services = replace(made.app.extensions["digest"], base_url="http://127.0.0.1:8000")
    made.app = make_app(services, secret_keys=KEYS, mailbox=True, provider=known)
    return made


def test_every_changing_route_has_its_guards(site: Site) -> None:
    assert faults(site.app) == []


def test_every_exception_belongs_to_a_route(site: Site) -> None:
    there = set(site.app.view_functions)
    for names in (WITHOUT_PROOF, WITHOUT_LIMIT, FOR_OUTSIDERS, OF_VIEWERS, FRESH, WITHOUT_FRESH):
        assert set(names) <= there
    assert {f"desk.{name}" for name in audit_log.UNLOGGED} <= there
    assert not csrf._exempt_blueprints


def test_a_new_route_without_guards_is_found() -> None:
    app, desk = Flask("sloppy"), Blueprint("desk", "sloppy", url_prefix="/desk")

    def view() -> str:
        return ""

    @auth.allow_anonymous
    @csrf.exempt
    def open_view() -> str:
        return ""

    @auth.requires_role(Role.VIEWER)
    def lax() -> str:
        return ""

    @auth.requires_role(Role.OWNER)
    def stale() -> str:
        return ""

    app.post("/anything")(view)
    desk.post("/team/<int:number>/promote")(stale)
    desk.post("/open")(open_view)
    desk.route("/lax", methods=["DELETE"])(lax)
    app.register_blueprint(desk)
    try:
        assert sorted(faults(app)) == [
            "DELETE /desk/lax lets a viewer change something",
            "POST /anything has no rate limit",
            "POST /desk/open has no CSRF protection, and no reason is given",
            "POST /desk/open has no rate limit",
            "POST /desk/open requires no role",
            "POST /desk/team/<int:number>/promote changes who can sign in, or how, without recent authentication",
        ]
    finally:
        csrf._exempt_views.discard(f"{open_view.__module__}.{open_view.__name__}")


def test_every_rate_limit_is_enforced(site: Site) -> None:
    site.app.config["WTF_CSRF_ENABLED"] = False
    client = site.app.test_client()
    for rule, _ in changing(site.app):
        rate = getattr(site.app.view_functions[rule.endpoint], "rate", None)
        if rate is None:
            continue
        site.app.extensions["digest"].limiter._local.storage.reset()
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        most = parse(rate).amount
        answers = [client.post(path, base_url=BASE, data={}).status_code for _ in range(most + 1)]
        assert answers[-1] == 429, rule.rule


def test_networks_are_limited_separately(site: Site) -> None:
    site.app.config["WTF_CSRF_ENABLED"] = False
    client = site.app.test_client()

    def ask(network: str) -> int:
        headers = {"X-Forwarded-For": network}
        return client.post("/desk/second-factor", base_url=BASE, headers=headers).status_code

    assert [ask("81.2.69.160") for _ in range(31)][-1] == 429
    assert (ask("81.2.69.7"), ask("81.2.70.7")) == (429, 401)

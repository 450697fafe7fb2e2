"""Every route that changes something is guarded: by our proof, by a role, and by a limit where outsiders can call it.

`faults` asks the URL map itself, so a new route without its guards fails here.
"""

import re
from collections.abc import Iterator
from itertools import count
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

# Routes that take no proof of ours, and why.
WITHOUT_PROOF = {
    "reader.confirm": "the token in the address is the proof (RFC 8058 for leaving): a mail program has no session",
    "reader.update_preferences": "as confirm",
    "reader.unsubscribe": "as confirm; a mail program posts it by itself (RFC 8058, 3.2)",
    "site.subscribe": "a signed form of ours and three limits; programs may sign up with JSON",
}
# Routes that outsiders may call and that count nothing by network, and why.
WITHOUT_LIMIT = {
    "reader.confirm": "a tag of 128 bits is guessed by nobody, and a second press changes nothing",
    "reader.update_preferences": "as confirm",
    "reader.unsubscribe": "as confirm; mail programs press it for thousands of readers from one network",
    "site.subscribe": "counts by network, address and domain itself: tests/web/test_signup.py",
    "mailbox.clear": "answers on loopback only, without a proxy: tests/ops/test_mailbox.py",
}
# Desk routes for people who are not signed in, and why. Each has a limit.
FOR_OUTSIDERS = {
    "desk.access.request_link": "asks for a letter",
    "desk.access.finish_sign_in": "brings the letter's token",
    "desk.access.start_oidc": "goes to the team's provider",
    "desk.access.verify_code": "owes a second factor",
    "desk.access.passkey_request_options": "owes a second factor",
    "desk.access.verify_passkey": "owes a second factor",
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
# What changes who comes in, or how, asks for a proof that is fresh (ASVS 7.5.1 and 7.5.2).
FRESH = {f"desk.access.{name}" for name in (
    "end_session", "end_other_sessions", "start_app_setup", "finish_app_setup", "passkey_creation_options",
    "add_passkey", "remove_factor", "generate_codes", "reset_second_factor", "require_second_factor", "invite",
    "change_role", "remove_user",
)}  # fmt: skip
# Changes of the people's page that ask for none, and why.
WITHOUT_FRESH = {"desk.access.end_user_sessions": "gives no access; users who are signed out sign in again"}


def changing(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - SAFE):
            yield rule, method


def faults(app: Flask) -> list[str]:
    """What is wrong with the guards of the app's routes, a line each."""
    found = []
    for rule, method in changing(app):
        view = app.view_functions[rule.endpoint]
        where = f"{method} {rule.rule}"
        bare = f"{view.__module__}.{view.__name__}" in csrf._exempt_views
        if bare != (rule.endpoint in WITHOUT_PROOF):
            found.append(f"{where} takes no proof of ours (CSRF), and no reason is given")
        outside = True
        if rule.endpoint.startswith("desk."):
            rank = auth.required_rank(view, method)
            outside = rank == auth.ANONYMOUS
            if outside and rule.endpoint not in FOR_OUTSIDERS:
                found.append(f"{where} asks for no role")
            if rank == auth.RANK[Role.VIEWER] and rule.endpoint not in OF_VIEWERS:
                found.append(f"{where} lets a viewer change something")
        if outside and not getattr(view, "rate", None) and rule.endpoint not in WITHOUT_LIMIT:
            found.append(f"{where} counts nobody who calls it")
        of_people = rule.rule.startswith("/desk/team") and rule.endpoint not in WITHOUT_FRESH
        if (of_people or rule.endpoint in FRESH) and not getattr(view, "fresh", False):
            found.append(f"{where} changes who comes in, or how, without a fresh proof")
    return found


@pytest.fixture
def room(sqlite: Database, tmp_path: Path) -> Site:
    """The app with every part of it: the mailbox and a provider too."""
    made = make_desk(sqlite, tmp_path)
    known = Provider("http://127.0.0.1:9", CLIENT, SECRET)
    services = made.app.extensions["digest"]
    made.app = make_app(services, secret_keys=KEYS, mailbox=True, provider=known)
    return made


def test_every_changing_route_has_its_guards(room: Site) -> None:
    assert faults(room.app) == []


def test_every_exception_belongs_to_a_route(room: Site) -> None:
    there = set(room.app.view_functions)
    for names in (WITHOUT_PROOF, WITHOUT_LIMIT, FOR_OUTSIDERS, OF_VIEWERS, FRESH, WITHOUT_FRESH):
        assert set(names) <= there
    assert {f"desk.{name}" for name in (*audit_log.UNLOGGED, *audit_log.VERBS)} <= there
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
            "POST /anything counts nobody who calls it",
            "POST /desk/open asks for no role",
            "POST /desk/open counts nobody who calls it",
            "POST /desk/open takes no proof of ours (CSRF), and no reason is given",
            "POST /desk/team/<int:number>/promote changes who comes in, or how, without a fresh proof",
        ]
    finally:
        csrf._exempt_views.discard(f"{open_view.__module__}.{open_view.__name__}")


def test_every_rate_limit_is_enforced(room: Site) -> None:
    room.app.config["WTF_CSRF_ENABLED"] = False
    client = room.app.test_client()
    for rule, _ in changing(room.app):
        rate = getattr(room.app.view_functions[rule.endpoint], "rate", None)
        if rate is None:
            continue
        room.app.extensions["digest"].limiter._local.storage.reset()
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        most = parse(rate).amount
        answers = [client.post(path, base_url=BASE, data={}).status_code for _ in range(most + 1)]
        assert answers[-1] == 429, rule.rule


def test_networks_are_limited_separately(room: Site) -> None:
    room.app.config["WTF_CSRF_ENABLED"] = False
    client = room.app.test_client()
    asked = count()

    def ask(network: str) -> int:
        data, headers = {"address": f"{next(asked)}@verdicts.io"}, {"X-Forwarded-For": network}
        return client.post("/desk/sign-in", base_url=BASE, data=data, headers=headers).status_code

    assert [ask("81.2.69.160") for _ in range(21)][-1] == 429
    assert (ask("81.2.69.7"), ask("81.2.70.7")) == (429, 200)

"""Signing in with the team's provider: only invited users, only with a token the provider signed for this sign-in."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from sqlalchemy import select
from tests.web.desk.clients import csrf_token, get, make_desk, signed_in
from tests.web.desk.oidc_provider import CLIENT, SECRET, OpenIdProvider, running
from tests.web.factories import BASE, KEYS, Site

from digest.access.models import AuditLogEntry, LoginSession, ProviderAccount
from digest.cli.doctor.site import find_provider
from digest.db import Database
from digest.web import make_app
from digest.web.desk.access.oidc import Provider

BACK = "/desk/provider/back"


@pytest.fixture(scope="module")
def server() -> Iterator[OpenIdProvider]:
    with running() as made:
        yield made


@pytest.fixture
def provider(server: OpenIdProvider) -> OpenIdProvider:
    fresh = OpenIdProvider(issuer=server.issuer, key=server.key)
    for name in ("account", "signs_with", "lies", "codes", "asked"):
        setattr(server, name, getattr(fresh, name))
    return server


@pytest.fixture
def desk(sqlite: Database, tmp_path: Path, provider: OpenIdProvider) -> Site:
    made = make_desk(sqlite, tmp_path)
    known = Provider(provider.issuer, CLIENT, SECRET)
    made.app = make_app(made.app.extensions["digest"], secret_keys=KEYS, mailbox=False, provider=known)
    return made


def lead(client: FlaskClient) -> str:
    """Press the sign-in button; returns the provider's URL that it leads to."""
    data = {"csrf_token": csrf_token(client, "/desk/sign-in")}
    page = client.post("/desk/provider", base_url=BASE, data=data).text
    found = re.search(r'<a class="button" href="([^"]+)">', page)
    assert found, page
    return unescape(found[1])


def come_back(there: str) -> str:
    """Sign in at the provider; returns the callback URL to which it redirects."""
    way_back = requests.get(there, allow_redirects=False, timeout=30).headers["Location"]
    assert way_back.startswith(f"{BASE}{BACK}?")
    return way_back.removeprefix(BASE)


def sign_in(desk: Site) -> tuple[FlaskClient, str]:
    """Sign in completely; returns the client and the final page."""
    client = desk.app.test_client()
    back = client.get(come_back(lead(client)), base_url=BASE, follow_redirects=True)
    return client, back.text


def is_in(client: FlaskClient) -> bool:
    return client.get("/desk/", base_url=BASE).status_code == 200


def test_an_invited_user_can_sign_in(desk: Site, provider: OpenIdProvider) -> None:
    client, _ = sign_in(desk)
    assert is_in(client)
    assert f"signed in by {urlsplit(provider.issuer).netloc}" in get(client, "/desk/account")
    with desk.db.read() as session:
        assert session.scalars(select(AuditLogEntry.verb)).all() == ["signed in"]
        assert session.scalars(select(ProviderAccount.subject)).all() == ["user-7"]


def test_the_authorization_request_carries_state_nonce_and_a_challenge(
    desk: Site, provider: OpenIdProvider
) -> None:
    client = desk.app.test_client()
    first, second = (parse_qs(urlsplit(lead(client)).query) for _ in range(2))
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 20
        assert first[name] != second[name]
    assert first["code_challenge_method"] == ["S256"]
    assert first["response_type"] == ["code"]
    assert first["scope"] == ["openid email"]
    assert first["redirect_uri"] == [f"{BASE}{BACK}"]


def test_without_a_provider_there_is_neither_button_nor_route(sqlite: Database, tmp_path: Path) -> None:
    client = make_desk(sqlite, tmp_path).app.test_client()
    assert "/desk/provider" not in get(client, "/desk/sign-in")
    data = {"csrf_token": csrf_token(client, "/desk/sign-in")}
    assert client.post("/desk/provider", base_url=BASE, data=data).status_code == 404
    get(client, BACK, 404)


@pytest.mark.parametrize(
    "account",
    [
        {"email": "stranger@verdicts.io"},
        {"email": ""},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
    ],
)
def test_an_account_that_is_not_invited_or_verified_cannot_sign_in(
    desk: Site, provider: OpenIdProvider, account: dict[str, Any]
) -> None:
    for name, value in account.items():
        setattr(provider.account, name, value)
    client, page = sign_in(desk)
    assert not is_in(client)
    assert "that address has not been invited here" in page


@pytest.mark.parametrize(
    "lies",
    [
        {"iss": "https://other.example"},
        {"aud": "another-client"},
        {"aud": None},
        {"nonce": "of-another-sign-in"},
        {"nonce": None},
        {"exp": 1_700_000_000, "iat": 1_699_999_000},
        {"exp": None},
    ],
    ids=str,
)
def test_an_id_token_for_another_user_or_client_is_refused(
    desk: Site, provider: OpenIdProvider, lies: dict[str, Any]
) -> None:
    provider.lies = lies
    client, page = sign_in(desk)
    assert not is_in(client)
    assert "failed or took too long" in page


def test_an_id_token_signed_by_another_key_is_refused(desk: Site, provider: OpenIdProvider) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    client, page = sign_in(desk)
    assert not is_in(client)
    assert "failed or took too long" in page


def test_metadata_of_another_issuer_are_refused(desk: Site, provider: OpenIdProvider) -> None:
    provider.lies = {"issuer": "https://login.example.org"}
    client = desk.app.test_client()
    data = {"csrf_token": csrf_token(client, "/desk/sign-in")}
    answer = client.post("/desk/provider", base_url=BASE, data=data, follow_redirects=True)
    assert "different issuer" in answer.text


def test_a_callback_that_this_browser_did_not_start_is_refused(desk: Site) -> None:
    attacker, victim = desk.app.test_client(), desk.app.test_client()
    back = come_back(lead(attacker))
    victim.get(back, base_url=BASE)
    assert not is_in(victim)
    lead(victim)
    victim.get(back, base_url=BASE)
    assert not is_in(victim)
    attacker.get(back, base_url=BASE)
    assert is_in(attacker)


def test_a_callback_works_once(desk: Site) -> None:
    client = desk.app.test_client()
    back = come_back(lead(client))
    kept = client.get_cookie("__Host-digest", domain="news.example.org")
    client.get(back, base_url=BASE)
    assert is_in(client)
    again = desk.app.test_client()
    again.set_cookie("__Host-digest", kept.value, domain="news.example.org", secure=True)
    again.get(back, base_url=BASE)
    assert not is_in(again)


def test_a_code_from_another_sign_in_fails_the_pkce_check(desk: Site) -> None:
    attacker, victim = desk.app.test_client(), desk.app.test_client()
    stolen = parse_qs(urlsplit(come_back(lead(victim))).query)["code"][0]
    own = parse_qs(urlsplit(come_back(lead(attacker))).query)
    attacker.get(f"{BACK}?code={stolen}&state={own['state'][0]}", base_url=BASE)
    assert not is_in(attacker)


def test_an_address_reassigned_to_another_account_cannot_sign_in(
    desk: Site, provider: OpenIdProvider
) -> None:
    sign_in(desk)
    provider.account.subject = "user-8"
    client, page = sign_in(desk)
    assert not is_in(client)
    assert "another account" in page


def test_a_provider_s_error_is_reported_without_its_text(desk: Site) -> None:
    client = desk.app.test_client()
    state = parse_qs(urlsplit(lead(client)).query)["state"][0]
    for query in (
        "error=access_denied&error_description=<b>pay me</b>",
        f"state={state}",
        "",
        "code=x&state=x",
    ):
        page = client.get(f"{BACK}?{query}", base_url=BASE, follow_redirects=True)
        assert page.status_code == 200
        assert "pay me" not in page.text
    assert not is_in(client)
    assert client.head(f"{BACK}?state={state}", base_url=BASE).status_code == 405


def test_an_unreachable_provider_is_reported(sqlite: Database, tmp_path: Path) -> None:
    made = make_desk(sqlite, tmp_path)
    away = Provider("http://127.0.0.1:9", CLIENT, SECRET)
    app = make_app(made.app.extensions["digest"], secret_keys=KEYS, mailbox=False, provider=away)
    client = app.test_client()
    data = {"csrf_token": csrf_token(client, "/desk/sign-in")}
    answer = client.post("/desk/provider", base_url=BASE, data=data, follow_redirects=True)
    assert "sign in by email" in answer.text


def test_the_doctor_compares_the_provider_s_issuer(provider: OpenIdProvider) -> None:
    assert find_provider(provider.issuer).status == "ok"
    slip = find_provider(f"{provider.issuer}/")
    assert (slip.status, slip.fix) == (
        "bad",
        f"set DIGEST_OIDC_ISSUER to exactly {provider.issuer}",
    )
    assert "answered 404, issuer missing" in find_provider(f"{provider.issuer}/realm").summary


def test_signing_in_replaces_another_user_s_session(desk: Site) -> None:
    client = signed_in(desk, "viewer")
    planted = client.get_cookie("__Host-digest", domain="news.example.org")
    client.get(come_back(lead(client)), base_url=BASE)
    assert "editor@verdicts.io" in get(client, "/desk/account")
    with desk.db.read() as session:
        assert len(session.scalars(select(LoginSession)).all()) == 1
    thief = desk.app.test_client()
    thief.set_cookie("__Host-digest", planted.value, domain="news.example.org", secure=True)
    assert not is_in(thief)

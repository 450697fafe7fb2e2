"""Signing in with the team's OpenID provider, by Authlib: code flow with state, nonce and PKCE.

The callback is a GET that signs in, because the protocol requires it; a scanner that fetches it has no state and gets
nothing. Only invited users can sign in.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Flask, current_app, request
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from digest.access.oidc_accounts import resolve_user
from digest.db import utcnow
from digest.errors import DigestError, NotAllowed, Unavailable
from digest.web import request_limits
from digest.web.desk import session_cookie
from digest.web.desk.access import blueprint
from digest.web.desk.access.sign_in import begin_session, redirect_after_sign_in
from digest.web.desk.auth import allow_anonymous
from digest.web.desk.view_helpers import flash_problem, redirect_to, render_page, services
from digest.web.error_pages import as_sentence

LOG = logging.getLogger(__name__)
TIMEOUT_SECONDS: Final = 10  # that a provider may take to answer
EXTENSION: Final = "digest.provider"


@dataclass(frozen=True)
class Provider:
    """The team's OpenID provider and our client there."""

    issuer: str
    client_id: str
    client_secret: str

    @property
    def host(self) -> str:
        """The provider's host, as its name for people."""
        return urlsplit(self.issuer).netloc


def register(app: Flask, provider: Provider) -> None:
    """Register the provider with the app; its metadata is fetched when someone first signs in."""
    from authlib.integrations.flask_client import OAuth

    client = OAuth(app).register(
        "team",
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid email",
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT_SECONDS,
        },
    )
    app.extensions[EXTENSION] = provider
    app.extensions["digest.oauth"] = client


@blueprint.post("/provider")
@allow_anonymous
@request_limits.rate_limited("30/15 minutes", "desk provider")
def start_oidc() -> Response:
    """Send the browser to the provider, by a page of our own: our CSP lets no form post or redirect elsewhere."""
    from requests.exceptions import RequestException

    client, provider = _client()
    try:
        _check_issuer(provider, client.load_server_metadata().get("issuer"))
        url = client.authorize_redirect(_redirect_uri()).headers["Location"]
    except (RequestException, ValueError, KeyError, RuntimeError) as error:
        LOG.warning("OpenID provider did not answer", extra={"error": type(error).__name__})
        raise Unavailable(
            f"{provider.host} is not responding; try again in a minute, or sign in by email"
        ) from None
    return Response(render_page("oidc_redirect.html", url=url, provider=provider), mimetype="text/html")


@blueprint.get("/provider/back")
@allow_anonymous
@request_limits.rate_limited("60/15 minutes", "desk provider back")
def oidc_callback() -> Response:
    """Sign in the user that the provider confirms, if an owner invited that address."""
    if request.method != "GET":
        raise MethodNotAllowed
    _, provider = _client()
    try:
        claims = _fetch_claims()
        with services().db.begin() as db:
            user = resolve_user(
                db,
                issuer=provider.issuer,
                subject=str(claims.get("sub", "")),
                address=str(claims.get("email", "")),
                verified=claims.get("email_verified") is True,
                now=utcnow(),
            )
            key = begin_session(db, user, provider.host[:20])
    except DigestError as problem:
        flash_problem(as_sentence(str(problem)))
        return redirect_to("access.sign_in")
    session_cookie.store_key(key)
    return redirect_after_sign_in()


def _fetch_claims() -> dict[str, Any]:
    """The ID token's claims. Authlib checks state, nonce, PKCE, signature, issuer, audience and age."""
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError
    from requests.exceptions import RequestException

    client, provider = _client()
    claims_options = {
        "iss": {"essential": True, "values": [provider.issuer]},
        "aud": {"essential": True, "values": [provider.client_id]},
    }
    try:
        token = client.authorize_access_token(claims_options=claims_options)
        return dict(token["userinfo"])
    except (AuthlibBaseError, JoseError, RequestException, ValueError, KeyError, RuntimeError) as error:
        # The error's text may contain an address or a code; its type does not.
        LOG.warning("OpenID sign-in failed", extra={"error": type(error).__name__})
        raise NotAllowed("sign-in failed or took too long; try again") from None


def _check_issuer(provider: Provider, issuer: object) -> None:
    """Metadata with another issuer may be an impersonation (OpenID Connect Discovery, 4.3)."""
    if issuer != provider.issuer:
        LOG.error("OpenID metadata has another issuer than DIGEST_OIDC_ISSUER")
        raise Unavailable(f"{provider.host} has a different issuer than configured; tell an owner")


def _redirect_uri() -> str:
    """From the configured base URL, because anyone can send any Host header."""
    return f"{services().base_url}/desk/provider/back"


def _client() -> tuple[Any, Provider]:
    if EXTENSION not in current_app.extensions:
        raise NotFound
    return current_app.extensions["digest.oauth"], current_app.extensions[EXTENSION]

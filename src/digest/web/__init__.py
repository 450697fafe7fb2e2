"""Doors for people: the public site, the reader's own pages, the desk, and what operators look at."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from flask import Flask
from jinja2 import StrictUndefined

from digest.services import Services
from digest.web import desk, errors, guards, health, publication_context, request_limits
from digest.web.desk.access import oidc
from digest.web.desk.access.oidc import Provider
from digest.web.public import archive, feed, reader, site, track


def make_app(
    services: Services,
    *,
    secret_keys: Sequence[str],
    mailbox: bool,
    provider: Provider | None = None,
    proxies: Sequence[request_limits.Network] = request_limits.LOOPBACK,
    ready: Mapping[str, Callable[[], object]] | None = None,
) -> Flask:
    """The WSGI app. `secret_keys` sign the desk's cookies, newest first; `mailbox` adds the embedded mailbox's pages.

    `provider` is where a team may sign in instead of by a letter; `proxies` are the networks whose `X-Forwarded-For` is
    believed.

    `ready` names what /readyz asks beside the database: each is called and raises when it is not well.
    """
    app = Flask("digest.web", static_folder="static", template_folder="templates")
    app.extensions["digest"] = services
    app.extensions["digest.ready"] = dict(ready or {})
    app.config["SECRET_KEY"], *app.config["SECRET_KEY_FALLBACKS"] = map(_cookie_key, secret_keys)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    # A redirect to a tidier address would break a one-click unsubscribe (RFC 8058, 3.2).
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    request_limits.trust(app, proxies)
    guards.protect(app, secure=services.base_url.startswith("https://"))
    guards.version_static(app)
    errors.register(app)
    publication_context.keep_to_the_paper(app)
    for room in (site, archive, feed, reader, track, health, desk):
        app.register_blueprint(room.blueprint)
    if provider is not None:
        oidc.register(app, provider)
    if mailbox:
        from digest.web import mailbox as pages

        app.register_blueprint(pages.blueprint)
    return app


def _cookie_key(secret: str) -> str:
    """Cookies and mail tokens must never share a key."""
    return hashlib.sha256(b"digest cookie\0" + secret.encode()).hexdigest()

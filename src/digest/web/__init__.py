"""The web app: the public site, readers' own pages, the desk, and the pages for operators."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence

from flask import Flask
from jinja2 import StrictUndefined

from digest import loopback
from digest.services import Services
from digest.web import (
    desk,
    error_pages,
    guards,
    health,
    input_characters,
    publication_context,
    request_limits,
    version_check,
)
from digest.web.desk.access import oidc
from digest.web.desk.access.oidc import Provider
from digest.web.public import archive, feed, front_page, reader, sign_up, tracked_links
from digest.web.version_check import VersionCheck


def make_app(
    services: Services,
    *,
    secret_keys: Sequence[str],
    mailbox: bool,
    provider: Provider | None = None,
    proxies: Sequence[loopback.Network] = loopback.NETWORKS,
    ready: Mapping[str, Callable[[], object]] | None = None,
    check: VersionCheck | None = None,
) -> Flask:
    """The WSGI app. `secret_keys` sign the desk's cookies, newest first.

    `mailbox` adds the embedded mailbox's pages, which show sign-in links: only if the site is for this machine alone.

    `provider` is the team's OpenID provider, if any; `proxies` are the networks whose `X-Forwarded-For` is trusted.

    `ready` holds the checks of /readyz beside the database, by name: each is called, and raises when it fails.

    `check` finds out whether the database is of this version.
    """
    app = Flask("digest.web", static_folder="static", template_folder="templates")
    app.extensions["digest"] = services
    app.extensions["digest.started"] = time.monotonic()
    app.extensions["digest.ready"] = dict(ready or {})
    app.config["SECRET_KEY"], *app.config["SECRET_KEY_FALLBACKS"] = map(_cookie_key, secret_keys)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    # A redirect to the canonical URL would break one-click unsubscribing (RFC 8058, 3.2).
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    request_limits.trust_proxies(app, proxies)
    if check is not None:
        version_check.register(app, check)
    guards.register(app, secure=services.base_url.startswith("https://"))
    input_characters.register(app)
    guards.register_static_versions(app)
    error_pages.register(app)
    publication_context.register_publication_urls(app)
    for area in (front_page, sign_up, archive, feed, reader, tracked_links, health, desk):
        app.register_blueprint(area.blueprint)
    if provider is not None:
        oidc.register(app, provider)
    if mailbox and loopback.is_loopback_url(services.base_url):
        from digest.web import mailbox as mailbox_pages

        app.register_blueprint(mailbox_pages.blueprint)
    return app


def _cookie_key(secret: str) -> str:
    """A key for cookies alone: cookies and tokens in mails must never share one."""
    return hashlib.sha256(b"digest cookie\0" + secret.encode()).hexdigest()

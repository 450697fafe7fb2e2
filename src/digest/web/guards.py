"""Security headers on every response, and CSRF protection on every change."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from flask import Flask, Response, g, request, session
from flask_wtf.csrf import CSRFProtect
from werkzeug.routing import IntegerConverter

View = TypeVar("View", bound=Callable[..., Any])

csrf = CSRFProtect()

MAX_BODY_BYTES: Final = 8 * 1024 * 1024  # the desk accepts files of comparisons
MAX_ANONYMOUS_BYTES: Final = 16 * 1024  # from anyone else: an address, or which button was pressed
MAX_ROW_DIGITS: Final = 15  # no id is longer, and no database holds a much longer one
YEAR_SECONDS: Final = 31_536_000
_REFUSED: Final = frozenset({401, 403, 413, 429})
LOG = logging.getLogger(__name__)

_POLICY: Final[Mapping[str, str]] = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


def content_security_policy(**changes: str) -> str:
    """Our Content-Security-Policy, with these directives changed: `frame_src="'self'"`."""
    policy = {**_POLICY, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def guarded_by_token(view: View) -> View:
    """Exempt a view from CSRF: the signed token in its URL authorizes it, without cookie or session (RFC 8058)."""
    view.guard = "token"  # type: ignore[attr-defined]  # a mark on the function, read by the guard test
    return csrf.exempt(view)  # type: ignore[no-any-return]


def guarded_by_form(view: View) -> View:
    """Exempt a view from CSRF: it has no session to protect, and checks the form's signed time and rate limits."""
    view.guard = "form"  # type: ignore[attr-defined]  # a mark on the function, read by the guard test
    return csrf.exempt(view)  # type: ignore[no-any-return]


def register(app: Flask, *, secure: bool) -> None:
    """Set up CSRF protection, cookies, size limits and headers; `secure` when the public site is on https."""
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        # The prefix makes the browser enforce Secure, no Domain and Path=/ (RFC 6265bis, 4.1.3.2).
        SESSION_COOKIE_NAME="__Host-digest" if secure else "digest",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        # An editor's page may stay open for a day; the token expires with the session.
        WTF_CSRF_TIME_LIMIT=None,
        # Some browsers send no Referer; the token and SameSite protect enough.
        WTF_CSRF_SSL_STRICT=False,
    )

    @app.before_request  # before the CSRF check, which reads the form
    def limit_anonymous_size() -> None:
        if "desk" not in request.blueprints or "key" not in session:
            request.max_content_length = MAX_ANONYMOUS_BYTES

    csrf.init_app(app)
    app.url_map.converters["int"] = RowNumber
    security_headers = _security_headers(secure=secure)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in security_headers.items():
            response.headers.setdefault(name, value)
        if request.endpoint == "static" and "v" in request.args:
            response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
        if response.status_code in _REFUSED:
            _log_refusal(response.status_code)
        return response


def _log_refusal(status: int) -> None:
    """Log who was refused, and nothing that they sent (ASVS 16.3.2 and 16.3.3)."""
    login_session = g.get("login_session")
    facts = {"status": status, "endpoint": request.endpoint, "method": request.method}
    LOG.warning("request refused", extra={**facts, "user": login_session.user_id if login_session else None})


class RowNumber(IntegerConverter):
    """`<int:…>` in a route: a number longer than any id matches nothing, so that it never reaches a database."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"max": 10**MAX_ROW_DIGITS} | options)


def parse_row_number(text: str) -> int:
    """The id of a row from a query or form. Raises ValueError for anything but at most MAX_ROW_DIGITS digits."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_ROW_DIGITS):
        raise ValueError(f"{text[:MAX_ROW_DIGITS]!r} is not an id")
    return int(text)


def register_static_versions(app: Flask) -> None:
    """Put the content's hash into the URL of each static file, so that it can be cached for a year."""
    folder = Path(str(app.static_folder))

    @lru_cache
    def hash_of(filename: str) -> str:
        return hashlib.sha256((folder / filename).read_bytes()).hexdigest()[:10]

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and (folder / values["filename"]).is_file():
            values.setdefault("v", hash_of(values["filename"]))


def _security_headers(*, secure: bool) -> dict[str, str]:
    headers = {
        "Content-Security-Policy": content_security_policy(),
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Content-Type-Options": "nosniff",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if secure:
        headers["Strict-Transport-Security"] = f"max-age={YEAR_SECONDS}"
    return headers

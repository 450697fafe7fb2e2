"""What every answer carries and every change must show: security headers, and proof that the form was ours."""

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

MAX_BODY_BYTES: Final = 8 * 1024 * 1024  # the desk takes files of comparisons
STRANGERS_BYTES: Final = 16 * 1024  # from anybody else: an address, or which button was pressed
DIGITS: Final = 15  # no row has a longer number, and no database holds a much longer one
YEAR_SECONDS: Final = 31_536_000
_REFUSALS: Final = frozenset({401, 403, 413, 429})
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


def content_policy(**changes: str) -> str:
    """Our Content-Security-Policy; a view that needs another one sets it: `content_policy(frame_src="'self'")`."""
    policy = {**_POLICY, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def token_is_the_guard(view: View) -> View:
    """Let a view change things by the signed token in its URL: no cookie, no session, no CSRF token (RFC 8058)."""
    view.guard = "token"  # type: ignore[attr-defined]  # a mark on the function, read by the guard test
    return csrf.exempt(view)  # type: ignore[no-any-return]


def form_is_the_guard(view: View) -> View:
    """Let a view take a form from people who have no session: it checks the form's signed time and the limits."""
    view.guard = "form"  # type: ignore[attr-defined]  # a mark on the function, read by the guard test
    return csrf.exempt(view)  # type: ignore[no-any-return]


def protect(app: Flask, *, secure: bool) -> None:
    """Set up CSRF, cookies, sizes and headers; `secure` when the public site is on https."""
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        # The prefix makes the browser hold that it is ours alone: Secure, no Domain, the whole path (RFC 6265bis).
        SESSION_COOKIE_NAME="__Host-digest" if secure else "digest",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        # An editor's page may stay open for a day; the token lives and dies with the session.
        WTF_CSRF_TIME_LIMIT=None,
        # Some browsers send no Referer; the token and SameSite do the work.
        WTF_CSRF_SSL_STRICT=False,
    )

    @app.before_request  # before the CSRF check, which reads the form
    def keep_small() -> None:
        if request.blueprint != "desk" or "key" not in session:
            request.max_content_length = STRANGERS_BYTES

    csrf.init_app(app)
    app.url_map.converters["int"] = RowNumber
    fixed = _headers(secure=secure)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in fixed.items():
            response.headers.setdefault(name, value)
        if request.endpoint == "static" and "v" in request.args:
            response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
        if response.status_code in _REFUSALS:
            _tell(response.status_code)
        return response


def _tell(status: int) -> None:
    """Leave a trace of whom we turned away, and of nothing that they sent (ASVS 16.3.2 and 16.3.3)."""
    visit = g.get("visit")
    facts = {"status": status, "endpoint": request.endpoint, "method": request.method}
    LOG.warning("refused", extra={**facts, "user": visit.user_id if visit else None})


class RowNumber(IntegerConverter):
    """`<int:…>` in a route: a longer number than any row has is no page, and never reaches a database."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"max": 10**DIGITS} | options)


def whole(text: str) -> int:
    """The number of a row in a query or form. Raises ValueError for all but digits, and for more than a row has."""
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
        raise ValueError(f"{text[:DIGITS]!r} is not the number of a row")
    return int(text)


def version_static(app: Flask) -> None:
    """Put the content's hash into the URL of each static file, so that it can be kept for a year."""
    folder = Path(str(app.static_folder))

    @lru_cache
    def digest_of(filename: str) -> str:
        return hashlib.sha256((folder / filename).read_bytes()).hexdigest()[:10]

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and (folder / values["filename"]).is_file():
            values.setdefault("v", digest_of(values["filename"]))


def _headers(*, secure: bool) -> dict[str, str]:
    headers = {
        "Content-Security-Policy": content_policy(),
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Content-Type-Options": "nosniff",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if secure:
        headers["Strict-Transport-Security"] = f"max-age={YEAR_SECONDS}"
    return headers

"""The embedded mailbox's pages: what would have been sent, shown on this machine only."""

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from http import HTTPStatus

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from digest.embedded.maildir import Maildir
from digest.loopback import is_loopback
from digest.web import host_names, request_limits
from digest.web.guards import content_security_policy

PAGE_SIZE = 50
HEAD_BYTES = 16_384  # a list needs only the first headers
# A mail is untrusted HTML: it may load images, but run nothing, post nothing and fetch nothing else.
MAIL_POLICY = (
    "default-src 'none'; img-src data: http: https:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)

blueprint = Blueprint("mailbox", __name__, url_prefix="/mailbox")


@dataclass(frozen=True)
class MailSummary:
    """One mail in the list."""

    key: str
    to: str
    subject: str
    sender: str
    received_at: datetime


@blueprint.before_request
def _require_loopback() -> None:
    """Answer loopback only, not through a proxy, and not under another host name (DNS rebinding)."""
    is_local = is_loopback(request.remote_addr or "") and host_names.is_loopback_host()
    if not is_local or request_limits.is_by_proxy():
        abort(HTTPStatus.NOT_FOUND)


@blueprint.get("")
def mails() -> str:
    """The mails, newest first, fifty a page; `to` filters by address or subject."""
    query, number = request.args.get("to", "").strip(), max(1, request.args.get("page", 1, type=int))
    keys = _maildir().keys()
    if query:
        matches = [mail for mail in _summaries(keys) if query.lower() in f"{mail.to}\n{mail.subject}".lower()]
        total, page = len(matches), matches[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    else:
        total, page = len(keys), list(_summaries(keys[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]))
    return render_template(
        "mailbox/mails.html",
        mails=page,
        total=total,
        number=number,
        has_more=total > number * PAGE_SIZE,
        query=query,
    )


@blueprint.get("/<key>")
def mail(key: str) -> AnyResponse:
    """One mail: rendered, as text, and its headers."""
    raw = _read(key)
    message = _parse(raw)
    page = render_template(
        "mailbox/mail.html",
        key=key,
        mail=_summary(key, message),
        has_html=_body_part(message, "html") is not None,
        text=_body_part(message, "plain"),
        headers=[(name, str(value)) for name, value in message.items()],
        size=len(raw),
        is_phone=request.args.get("width") == "phone",
    )
    return Response(page, headers={"Content-Security-Policy": content_security_policy(frame_src="'self'")})


@blueprint.get("/<key>/html")
def mail_html(key: str) -> AnyResponse:
    """The HTML part, for the sandboxed frame."""
    body = _body_part(_parse(_read(key)), "html")
    if body is None:
        abort(HTTPStatus.NOT_FOUND)
    response = Response(_with_link_targets(body), mimetype="text/html")
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@blueprint.get("/<key>/source")
def mail_source(key: str) -> AnyResponse:
    """The raw mail, as it was received."""
    return Response(
        _read(key),
        mimetype="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{key}.eml"'},
    )


@blueprint.post("/clear")
def clear() -> AnyResponse:
    """Delete all mails."""
    _maildir().clear()
    return redirect(url_for("mailbox.mails"), 303)


def _maildir() -> Maildir:
    return Maildir(current_app.extensions["digest"].home / "mailbox")


def _read(key: str) -> bytes:
    raw = _maildir().read(key)
    if raw is None:
        abort(HTTPStatus.NOT_FOUND)
    return raw


def _parse(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, EmailMessage, policy=email.policy.default)


def _summaries(keys: list[str]) -> Iterator[MailSummary]:
    maildir = _maildir()
    for key in keys:
        if (raw := maildir.read(key)) is not None:
            yield _summary(key, _parse(raw[:HEAD_BYTES].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"))


def _summary(key: str, message: EmailMessage) -> MailSummary:
    seconds = int(key.partition(".")[0]) / 1e9 if key.partition(".")[0].isdigit() else 0.0
    to, subject, sender = (str(message.get(name, "")) for name in ("To", "Subject", "From"))
    return MailSummary(key, to, subject, sender, datetime.fromtimestamp(seconds, UTC))


def _body_part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError, KeyError):
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else None


def _with_link_targets(body: str) -> str:
    """Open links in a new tab: our `base` goes first in the head, for a mail has none of its own."""
    head, found, rest = body.partition("<head>")
    return f'{head}{found}<base target="_blank">{rest}' if found else f'<base target="_blank">{body}'

"""Pages over the embedded mailbox: what would have been sent. For people at this machine only."""

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from ipaddress import ip_address

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from digest.embedded.mailbox import Maildir
from digest.web.guards import content_policy

PAGE = 50
HEAD_BYTES = 16_384  # a list needs the first headers, not the mail
PROXIED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via")
# A mail is a stranger's page: nothing of it may run, post, or ask anybody but its own pictures' server.
MAIL_POLICY = (
    "default-src 'none'; img-src data: http: https:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)

blueprint = Blueprint("mailbox", __name__, url_prefix="/mailbox")


@dataclass(frozen=True)
class Line:
    """One mail in the list."""

    key: str
    to: str
    subject: str
    sender: str
    at: datetime


@blueprint.before_request
def _only_here() -> None:
    """Loopback only, not through a proxy, and not under a borrowed name (DNS rebinding)."""
    host = request.host.rsplit(":", 1)[0].strip("[]")
    here = _loopback(request.remote_addr) and (host == "localhost" or _loopback(host))
    if not here or any(name in request.headers for name in PROXIED):
        abort(404)


@blueprint.get("")
def listing() -> str:
    """The mails, newest first, fifty a page; `to` keeps those for one address or subject."""
    wanted, number = request.args.get("to", "").strip(), max(1, request.args.get("page", 1, type=int))
    keys = _maildir().keys()
    if wanted:
        lines = [line for line in _lines(keys) if wanted.lower() in f"{line.to}\n{line.subject}".lower()]
        found, shown = len(lines), lines[(number - 1) * PAGE : number * PAGE]
    else:
        found, shown = len(keys), list(_lines(keys[(number - 1) * PAGE : number * PAGE]))
    return render_template(
        "mailbox/list.html",
        lines=shown,
        found=found,
        number=number,
        more=found > number * PAGE,
        wanted=wanted,
    )


@blueprint.get("/<key>")
def mail(key: str) -> AnyResponse:
    """One mail: as it looks, its text, its headers."""
    raw = _raw(key)
    opened = _open(raw)
    page = render_template(
        "mailbox/mail.html",
        key=key,
        line=_line(key, opened),
        has_html=_part(opened, "html") is not None,
        text=_part(opened, "plain"),
        headers=[(name, str(value)) for name, value in opened.items()],
        size=len(raw),
        phone=request.args.get("width") == "phone",
    )
    return Response(page, headers={"Content-Security-Policy": content_policy(frame_src="'self'")})


@blueprint.get("/<key>/html")
def html(key: str) -> AnyResponse:
    """The HTML part, for the frame: it may do nothing but be looked at."""
    body = _part(_open(_raw(key)), "html")
    if body is None:
        abort(404)
    response = Response(_in_new_tabs(body), mimetype="text/html")
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@blueprint.get("/<key>/source")
def source(key: str) -> AnyResponse:
    """The mail as it came over the wire."""
    return Response(
        _raw(key),
        mimetype="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{key}.eml"'},
    )


@blueprint.post("/clear")
def clear() -> AnyResponse:
    """Throw all mails away."""
    _maildir().clear()
    return redirect(url_for("mailbox.listing"), 303)


def _maildir() -> Maildir:
    return Maildir(current_app.extensions["digest"].home / "mailbox")


def _raw(key: str) -> bytes:
    raw = _maildir().read(key)
    if raw is None:
        abort(404)
    return raw


def _open(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, EmailMessage, policy=email.policy.default)


def _lines(keys: list[str]) -> Iterator[Line]:
    maildir = _maildir()
    for key in keys:
        if (raw := maildir.read(key)) is not None:
            yield _line(key, _open(raw[:HEAD_BYTES].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"))


def _line(key: str, opened: EmailMessage) -> Line:
    seconds = int(key.partition(".")[0]) / 1e9 if key.partition(".")[0].isdigit() else 0.0
    to, subject, sender = (str(opened.get(name, "")) for name in ("To", "Subject", "From"))
    return Line(key, to, subject, sender, datetime.fromtimestamp(seconds, UTC))


def _part(opened: EmailMessage, kind: str) -> str | None:
    part = opened.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError, KeyError):
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else None


def _in_new_tabs(body: str) -> str:
    """Links open beside the page; a mail has no `base` of its own, and ours goes first in its head."""
    head, found, rest = body.partition("<head>")
    return f'{head}{found}<base target="_blank">{rest}' if found else f'<base target="_blank">{body}'


def _loopback(name: str | None) -> bool:
    try:
        return ip_address(name or "").is_loopback
    except ValueError:
        return False

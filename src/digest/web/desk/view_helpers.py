"""What every desk view uses: the current user, rendering, redirects, messages and times."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from flask import Response as Answer
from flask import flash, g, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery.ledger.masking import mask_addresses
from digest.editorial.models import Role
from digest.web.guards import content_security_policy
from digest.web.publication_context import services

__all__ = [
    "CurrentUser",
    "Undo",
    "flash_done",
    "flash_problem",
    "form_field",
    "format_clock",
    "format_day",
    "format_time",
    "is_htmx_request",
    "mask_for_viewers",
    "redirect_to",
    "render_live",
    "render_page",
    "respond_with_policy",
    "services",
    "split_header_url",
]

EN_DASH = Markup("&ndash;")
SCRIPT_POLICY: Final = {
    "script_src": "'self'",
    "connect_src": "'self'",
}  # our own files, which connect only to us


@dataclass(frozen=True)
class CurrentUser:
    """The signed-in user."""

    id: int
    address: str
    role: Role

    @property
    def may_edit(self) -> bool:
        """Whether they may change issues, comparisons and readers."""
        return self.role in {Role.OWNER, Role.EDITOR}

    @property
    def is_owner(self) -> bool:
        """Whether they may manage the team and the settings."""
        return self.role == Role.OWNER


@dataclass(frozen=True)
class Undo:
    """A button that undoes the last change: the URL and fields it posts."""

    url: str
    fields: dict[str, str]


def render_page(template: str, **facts: Any) -> str:
    """Render the desk page `template` (below templates/desk/)."""
    return render_template(
        f"desk/{template}", me=g.get("me"), when=format_time, day=format_day, clock=format_clock, **facts
    )


def is_htmx_request() -> bool:
    """Whether htmx sent the request, and expects a fragment of a page."""
    return request.headers.get("HX-Request") == "true"


def render_live(template: str, part: str, **facts: Any) -> str:
    """The whole page `template`, or only `part`, a template that the page includes, when htmx asks for it."""
    return render_page(part if is_htmx_request() else template, **facts)


def respond_with_policy(body: str, **changes: str) -> Answer:
    """A response whose Content-Security-Policy differs from the desk's in these directives."""
    response = make_response(body)
    response.headers["Content-Security-Policy"] = content_security_policy(**(SCRIPT_POLICY | changes))
    return response


def flash_done(text: str, undo: Undo | None = None) -> None:
    """Show `text` on the next page, with an Undo button when the change can be undone."""
    flash({"text": text, "undo": undo and {"url": undo.url, "fields": undo.fields}}, "done")  # type: ignore[arg-type]  # the session keeps any JSON


def flash_problem(text: str) -> None:
    """Show on the next page why something was not done."""
    flash({"text": text, "undo": None}, "problem")  # type: ignore[arg-type]  # the session keeps any JSON


def redirect_to(endpoint: str, **values: Any) -> Response:
    """Redirect to a desk page, with GET."""
    return redirect(url_for(f"desk.{endpoint}", **values), 303)


def mask_for_viewers(text: str) -> str:
    """The text as it is for editors; for viewers, who manage no reader's data, with every address masked."""
    return text if g.me.may_edit else mask_addresses(text)


def format_time(moment: datetime | None, zone: str = "UTC") -> Markup:
    """A time in that zone, as in "Tue 24 Nov 2026, 09:00", inside a <time> element; a dash for None."""
    if moment is None:
        return EN_DASH
    local = moment.astimezone(ZoneInfo(zone))
    text = f"{local:%a} {local.day} {local:%b %Y, %H:%M}"
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(timespec="seconds"), text)


def format_day(moment: datetime | None, zone: str = "UTC") -> Markup:
    """The date in that zone, as in "Tue 24 Nov 2026"; a dash for None."""
    if moment is None:
        return EN_DASH
    local = moment.astimezone(ZoneInfo(zone))
    text = f"{local:%a} {local.day} {local:%b %Y}"
    return Markup('<time datetime="{}">{}</time>').format(local.date().isoformat(), text)


def format_clock(moment: datetime, zone: str = "UTC") -> Markup:
    """The time of day in that zone, with the date if it is not today."""
    local = moment.astimezone(ZoneInfo(zone))
    today = utcnow().astimezone(ZoneInfo(zone)).date()
    text = f"{local:%H:%M}" if local.date() == today else f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(timespec="seconds"), text)


def form_field(name: str) -> str:
    """A form field's text with normalized line ends; empty when it was not submitted."""
    return request.form.get(name, "").replace("\r\n", "\n").strip()


def form_words(name: str) -> list[str]:
    """A form field's parts between commas."""
    return [word for word in form_field(name).split(",") if word.strip()]


def split_header_url(name: str) -> SplitResult:
    """The URL in a request header, in parts; all of them are empty when it is missing or malformed."""
    try:
        return urlsplit(request.headers.get(name, ""))
    except ValueError:
        return urlsplit("")

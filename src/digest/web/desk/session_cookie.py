"""The desk's cookie and the login session it names."""

import logging
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

from flask import Response, g, redirect, request, session, url_for
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from digest.access import sessions
from digest.access.sessions import CurrentSession
from digest.db import utcnow
from digest.editorial.models import User
from digest.web import request_limits
from digest.web.desk.view_helpers import flash_problem, services

LOG = logging.getLogger(__name__)
KEY: Final = "key"  # in the cookie; the row holds its hash
DEVICE_BYTES: Final = 16
NEXT_URL: Final = "next"  # in the cookie: the page that was requested before signing in
View = TypeVar("View", bound=Callable[..., Any])

_BROWSERS: Final = {
    "Edg": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox": "Firefox", "FxiOS": "Firefox",
    "CriOS": "Chrome", "Chrome": "Chrome", "Safari": "Safari",
}  # fmt: skip  # the order matters: most browsers also name the ones below them
_DEVICES: Final = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "CrOS": "ChromeOS", "Windows": "Windows",
    "Mac OS X": "Mac", "Linux": "Linux",
}  # fmt: skip


def find_session() -> CurrentSession | None:
    """The valid login session that this request's cookie names, or None."""
    key = session.get(KEY)
    if not isinstance(key, str):
        return None
    with services().db.read() as db:
        return sessions.find(db, key, utcnow())


def begin(db: Session, user: User, way: str) -> str:
    """Replace this browser's login session by a new one; returns its key, for `store_key` after the commit."""
    if (old := find_session()) is not None:
        sessions.end(db, old.user_id, old.id)
    network = request_limits.network_of(request_limits.client_address())
    return sessions.create(
        db, user, utcnow(), method=way, browser=describe_browser(request.user_agent.string), network=network
    )


def store_key(key: str) -> None:
    """Put a login session's key into the cookie; of its old content only the requested page and the device are kept."""
    aim = session.get(NEXT_URL)
    clear()
    session[KEY] = key
    session.setdefault(request_limits.DEVICE, secrets.token_urlsafe(DEVICE_BYTES))
    if aim:
        session[NEXT_URL] = aim


def clear() -> None:
    """Empty the cookie but for the device's id, which lets this browser ask for a new sign-in link in any case."""
    device = request_limits.known_device()
    session.clear()
    session.permanent = True
    if device:
        session[request_limits.DEVICE] = device


def landing_url() -> str:
    """Where to go after signing in: the desk page that was requested before, else the front page."""
    aim = str(session.pop(NEXT_URL, ""))
    return aim if aim.startswith("/desk/") else url_for("desk.issues.overview")


def describe_browser(agent: str) -> str:
    """A browser in a few words, as in "Firefox on Linux": enough to recognize one's own, and to identify nobody."""
    browser = next((name for mark, name in _BROWSERS.items() if mark in agent), "Unknown browser")
    machine = next((name for mark, name in _DEVICES.items() if mark in agent), "unknown device")
    return f"{browser} on {machine}"


def record_activity(response: Response) -> None:
    """Record, once a minute and after the response was sent, that the login session is active."""
    visit: CurrentSession | None = g.get("login_session")
    if visit is None or visit.verified_at is None or utcnow() - visit.last_seen_at < sessions.TOUCH_INTERVAL:
        return
    database = services().db

    def write() -> None:
        try:
            with database.begin() as db:
                sessions.touch(db, visit, utcnow())
        except SQLAlchemyError as error:
            LOG.warning("session activity not recorded", extra={"error": type(error).__name__})

    response.call_on_close(write)


def requires_recent_proof(view: View) -> View:
    """Require a new proof of identity within the last hour before changes of access (ASVS 7.5.1)."""

    @wraps(view)
    def asked(*args: Any, **given: Any) -> Any:
        if g.login_session.is_fresh(utcnow()):
            return view(*args, **given)
        team = url_for("desk.access.team")
        session[NEXT_URL] = team if request.path.startswith(team) else url_for("desk.access.account")
        flash_problem("Confirm that it's you, then try again. Nothing was changed.")
        return redirect(url_for("desk.access.second_factor"), 303)

    asked.fresh = True  # type: ignore[attr-defined]  # a mark on the function, read by the guard test
    return cast("View", asked)

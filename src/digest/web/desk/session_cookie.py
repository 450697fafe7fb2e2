"""The cookie and the row it names: who sits in front of this browser."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

from flask import Response, g, redirect, request, session, url_for
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from digest.access import sessions
from digest.access.sessions import Seen
from digest.db import utcnow
from digest.editorial.models import User
from digest.web import request_limits
from digest.web.desk.view_helpers import flash_problem, services

LOG = logging.getLogger(__name__)
KEY: Final = "key"  # in the cookie; the row holds its hash
NEXT_URL: Final = "next"  # in the cookie: the page that was asked for before signing in
View = TypeVar("View", bound=Callable[..., Any])

_BROWSERS: Final = {
    "Edg": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox": "Firefox", "FxiOS": "Firefox",
    "CriOS": "Chrome", "Chrome": "Chrome", "Safari": "Safari",
}  # fmt: skip  # in the order in which they tell: each but the first few calls itself by the later names too
_DEVICES: Final = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "CrOS": "ChromeOS", "Windows": "Windows",
    "Mac OS X": "Mac", "Linux": "Linux",
}  # fmt: skip


def find_session() -> Seen | None:
    """The session that this request's cookie names, when it holds."""
    key = session.get(KEY)
    if not isinstance(key, str):
        return None
    with services().db.read() as db:
        return sessions.find(db, key, utcnow())


def begin(db: Session, user: User, way: str) -> str:
    """A new row for this browser in place of its old one; gives the key for `remember`, once it is committed."""
    old = find_session()
    if old is not None:
        sessions.end(db, old.user_id, old.id)
    network = request_limits.network_of(request_limits.client_address())
    return sessions.begin(
        db, user, utcnow(), way=way, agent=describe_browser(request.user_agent.string), network=network
    )


def store_key(key: str) -> None:
    """Give the browser a session's new key; of what it held before, nothing is kept but the page it asked for."""
    aim = session.get(NEXT_URL)
    session.clear()
    session[KEY] = key
    if aim:
        session[NEXT_URL] = aim
    session.permanent = True


def landing_url() -> str:
    """Where to go after signing in: a page of the desk that was asked for before, else its front page."""
    aim = str(session.pop(NEXT_URL, ""))
    return aim if aim.startswith("/desk/") else url_for("desk.issues.overview")


def describe_browser(agent: str) -> str:
    """A browser in a few words, "Firefox on Linux": enough to know one's own, too little to tell people apart."""
    browser = next((name for mark, name in _BROWSERS.items() if mark in agent), "A browser")
    machine = next((name for mark, name in _DEVICES.items() if mark in agent), "a machine")
    return f"{browser} on {machine}"


def record_activity(response: Response) -> None:
    """Write down, once a minute and after the answer went out, that the session is in use: nobody waits for it."""
    visit: Seen | None = g.get("login_session")
    if visit is None or visit.proved_at is None or utcnow() - visit.seen_at < sessions.SEEN_EVERY:
        return
    database = services().db

    def write() -> None:
        try:
            with database.begin() as db:
                sessions.touch(db, visit, utcnow())
        except SQLAlchemyError as error:
            LOG.warning("a session's use was not noted", extra={"error": type(error).__name__})

    response.call_on_close(write)


def requires_recent_proof(view: View) -> View:
    """Ask for a new proof before a change of who comes in, or how, if there was none within the hour (ASVS 7.5.1)."""

    @wraps(view)
    def asked(*args: Any, **given: Any) -> Any:
        if g.login_session.is_fresh(utcnow()):
            return view(*args, **given)
        people = url_for("desk.access.team")
        session[NEXT_URL] = people if request.path.startswith(people) else url_for("desk.access.account")
        flash_problem("Show once more that it is you; then press it again. Nothing was changed.")
        return redirect(url_for("desk.access.second_factor"), 303)

    asked.fresh = True  # type: ignore[attr-defined]  # a mark on the function, read by the guard test
    return cast("View", asked)

"""Tracked links: a redirect that counts the click. It changes nothing else, and redirects even if counting fails.

The click is counted after the response, so that only the server thread waits for a writer's lock, never the reader.
"""

import logging
from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError

from digest.db import utcnow
from digest.tracking import links
from digest.tracking.bots import looks_like_machine
from digest.web.publication_context import services

LOCK_TIMEOUT_SECONDS = 2.0  # how long counting a click may block its server thread

LOG = logging.getLogger(__name__)

blueprint = Blueprint("track", __name__)


@blueprint.get("/go/<token>")
def follow_link(token: str) -> Response:
    """Redirect to the link's stored target. A HEAD request is not counted: only programs send it."""
    made = services()
    with made.db.read() as session:
        target = links.find(session, made.signer, token)
    # With a body, because the server sends the headers with its first bytes; the click is counted after that.
    response = Response("Found\n", status=302, mimetype="text/plain", headers={"Location": target.url})
    response.autocorrect_location_header = False  # exactly the URL in the issue
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    if request.method == "GET":
        response.call_on_close(_recorder(target))
    return response


def _recorder(target: links.LinkTarget) -> Callable[[], None]:
    """A function that counts this request once it is over and its context is gone."""
    made, now, agent = services(), utcnow(), request.user_agent.string
    purpose = request.headers.get("Sec-Purpose", request.headers.get("Purpose", ""))
    machine = looks_like_machine(agent, request.headers.get("Accept-Language", ""), purpose)

    def record() -> None:
        try:
            with made.db.begin(LOCK_TIMEOUT_SECONDS) as session:
                links.record(session, target, agent=agent, machine=machine, now=now)
        except SQLAlchemyError as error:
            # A lost count must not cost the reader the page.
            LOG.warning("click not counted", extra={"error": type(error).__name__})

    return record

"""The tracked link: a redirect that counts. It decides nothing about anybody, and leads on even if it cannot count.

The reader is sent on first and counted after: who waits for a writer's lock is us, not for long, and not the reader.
"""

import logging
from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError

from digest.db import utcnow
from digest.tracking import links
from digest.tracking.machines import looks_like_machine
from digest.web.publication_context import services

PATIENCE = 2.0  # seconds that a click waits for a lock; a thread of the web server waits with it

LOG = logging.getLogger(__name__)

blueprint = Blueprint("track", __name__)


@blueprint.get("/go/<token>")
def go(token: str) -> Response:
    """Lead to the link's stored target. A HEAD counts nothing: only programs send it."""
    made = services()
    with made.db.read() as session:
        target = links.find(session, made.signer, token)
    # With a body: a server hands over the head with the first bytes of it, and what follows is counted after that.
    response = Response("Found\n", status=302, mimetype="text/plain", headers={"Location": target.url})
    response.autocorrect_location_header = False  # it leads where the issue said, to the letter
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    if request.method == "GET":
        response.call_on_close(_recording(target))
    return response


def _recording(target: links.Target) -> Callable[[], None]:
    """What counts this request, when it is over and its context is gone."""
    made, now, agent = services(), utcnow(), request.user_agent.string
    purpose = request.headers.get("Sec-Purpose", request.headers.get("Purpose", ""))
    machine = looks_like_machine(agent, request.headers.get("Accept-Language", ""), purpose)

    def record() -> None:
        try:
            with made.db.begin(PATIENCE) as session:
                links.record(session, target, agent=agent, machine=machine, now=now)
        except SQLAlchemyError as error:
            # The reader wants to read, not to be counted.
            LOG.warning("a click was not counted", extra={"error": type(error).__name__})

    return record

"""The tracked link: a redirect that counts. It decides nothing about anybody, and leads on even if it cannot count."""

import logging

from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError

from digest.db import utcnow
from digest.tracking import links
from digest.tracking.machines import looks_like_machine
from digest.web.frame import services

LOG = logging.getLogger(__name__)

blueprint = Blueprint("track", __name__)


@blueprint.get("/go/<token>")
def go(token: str) -> Response:
    """Lead to the link's stored target. A HEAD counts nothing: only programs send it."""
    made = services()
    with made.db.read() as session:
        target = links.find(session, made.signer, token)
    if request.method == "GET":
        _record(target)
    response = Response(status=302, headers={"Location": target.url})
    response.autocorrect_location_header = False  # it leads where the issue said, to the letter
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _record(target: links.Target) -> None:
    agent = request.user_agent.string
    purpose = request.headers.get("Sec-Purpose", request.headers.get("Purpose", ""))
    machine = looks_like_machine(agent, request.headers.get("Accept-Language", ""), purpose)
    try:
        with services().db.begin() as session:
            links.record(session, target, agent=agent, machine=machine, now=utcnow())
    except SQLAlchemyError as error:
        # The reader wants to read, not to be counted.
        LOG.warning("a click was not counted", extra={"error": type(error).__name__})

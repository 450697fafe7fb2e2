"""What the desk says when something cannot be done: a page for a look, a line for a change."""

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from flask import redirect, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response

from digest.errors import DigestError, NotFound, Unavailable
from digest.web.desk.auth import blueprint
from digest.web.desk.view_helpers import complain, page

LOG = logging.getLogger(__name__)
TITLES = {
    400: "That could not be read",
    401: "You are signed out",
    403: "This is not yours to do",
    404: "There is nothing here",
    409: "That came too late",
    413: "That is too large",
    429: "A moment, please",
    503: "Something we need is out of reach",
}


@blueprint.errorhandler(DigestError)
def refused(problem: DigestError) -> Response | tuple[str, int]:
    """A change that was refused goes back to where it came from with the reason; a look gets a page."""
    if request.method == "POST" and not isinstance(problem, NotFound):
        complain(_sentence(str(problem)))
        return redirect(_back(), 303)
    status = {NotFound: 404, Unavailable: 503}.get(type(problem), 400)
    return problem_page(status, str(problem))


@blueprint.errorhandler(CSRFError)
def not_ours(_: CSRFError) -> tuple[str, int]:
    """A form without our proof changes nothing: of a session that ended, or of another site."""
    LOG.warning("a form without our proof", extra={"endpoint": request.endpoint})
    return problem_page(
        400, "This form is not of your present session, so nothing was changed. Open the page again."
    )


@blueprint.errorhandler(HTTPException)
def http(problem: HTTPException) -> Response | tuple[str, int] | HTTPException:
    """Flask's own refusals in the desk's frame."""
    if problem.code is None or problem.code < 400:  # noqa: PLR2004  a redirect is not a problem
        return problem
    return problem_page(problem.code, problem.description or "")


def problem_page(status: int, text: str, written: Mapping[str, str] | None = None) -> tuple[str, int]:
    """A page that says what is wrong and gives back what was `written`; None: the texts of the form."""
    title = TITLES.get(status, "That did not work")
    facts = {"title": title, "text": _sentence(text)}
    return page("problem.html", **facts, written=_written() if written is None else written), status


def _written() -> dict[str, str]:
    """The texts of a form that we did not take, so that nobody writes them twice; none of one too large to read."""
    names = ("subject", "preheader", "intro", "page")
    try:
        form = request.form
    except RequestEntityTooLarge:
        return {}
    kept = {name: text for name, text in form.items() if name in names or name.startswith("note-")}
    return {name: text for name, text in kept.items() if text.strip()}


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def _back() -> str:
    """The page of ours that the form stood on; never another site's."""
    came_from = urlsplit(request.referrer or "")
    if came_from.netloc == request.host and came_from.path.startswith("/desk"):
        return came_from.path + (f"?{came_from.query}" if came_from.query else "")
    return request.path if request.path.count("/") == 3 and "/issues/" in request.path else "/desk/"  # noqa: PLR2004  /desk/issues/<n> has a page of its own

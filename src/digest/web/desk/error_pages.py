"""Errors at the desk: a page when a GET fails, a message on the previous page when a change fails."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from flask import redirect, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response

from digest.errors import DigestError, NotFound, OtherVersion, Unavailable
from digest.web.desk.auth import blueprint
from digest.web.desk.view_helpers import flash_problem, render_page, split_header_url
from digest.web.error_pages import as_sentence, title_of

LOG = logging.getLogger(__name__)
_ISSUE_PATH_SLASHES = 3  # /desk/issues/<n>, which has a page of its own


@blueprint.errorhandler(DigestError)
def handle_digest_error(error: DigestError) -> Response | tuple[str, int]:
    """Send a refused change back to its page with the reason; show a page for anything else."""
    if request.method == "POST" and not isinstance(error, (NotFound, OtherVersion)):
        flash_problem(as_sentence(str(error)))
        return redirect(_return_url(), 303)
    statuses = {NotFound: HTTPStatus.NOT_FOUND, Unavailable: HTTPStatus.SERVICE_UNAVAILABLE}
    status = next(
        (code for kind, code in statuses.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST
    )
    return error_page(status, str(error))


@blueprint.errorhandler(CSRFError)
def handle_csrf_error(_: CSRFError) -> tuple[str, int]:
    """A form without a valid CSRF token changes nothing: its session has ended, or it is another site's."""
    LOG.warning("CSRF token missing or invalid", extra={"endpoint": request.endpoint})
    return error_page(
        HTTPStatus.BAD_REQUEST,
        "This form has expired, so nothing was changed. Reload the page and try again.",
    )


@blueprint.errorhandler(HTTPException)
def handle_http_error(error: HTTPException) -> Response | tuple[str, int] | HTTPException:
    """HTTP errors inside the desk's layout."""
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:  # a redirect
        return error
    return error_page(error.code, error.description or "")


def error_page(status: int, text: str, unsaved: Mapping[str, str] | None = None) -> tuple[str, int]:
    """A page that says what is wrong and returns the `unsaved` texts; None takes them from the submitted form."""
    texts = _submitted_texts() if unsaved is None else unsaved
    page = render_page("error.html", title=title_of(status), text=as_sentence(text), unsaved=texts)
    return page, status


def _submitted_texts() -> dict[str, str]:
    """The texts of a rejected form, so that nobody has to write them twice; none when it was too large to read."""
    names = ("subject", "preheader", "intro", "page")
    try:
        form = request.form
    except RequestEntityTooLarge:
        return {}
    texts = {name: text for name, text in form.items() if name in names or name.startswith("note-")}
    return {name: text for name, text in texts.items() if text.strip()}


def _return_url() -> str:
    """The desk page that the form was on; never another site's."""
    referrer = split_header_url("Referer")
    if referrer.netloc == request.host and referrer.path.startswith("/desk"):
        return referrer.path + (f"?{referrer.query}" if referrer.query else "")
    is_issue_page = "/issues/" in request.path and request.path.count("/") == _ISSUE_PATH_SLASHES
    return request.path if is_issue_page else "/desk/"

"""Every error as one clear line: a page for people, JSON for programs, and never a stack trace."""

from http import HTTPStatus
from typing import Final

from flask import Flask, Response, jsonify, make_response, render_template, request
from flask.globals import request_ctx
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from werkzeug.exceptions import HTTPException

from digest.errors import BadInput, BadToken, DigestError, NotAllowed, NotFound, Unavailable

RETRY_AFTER_SECONDS: Final = "30"
STATUS_OF: Final[dict[type[DigestError], int]] = {
    BadToken: HTTPStatus.NOT_FOUND,
    BadInput: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    NotAllowed: HTTPStatus.CONFLICT,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
TITLES: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "That didn't work",
    HTTPStatus.UNAUTHORIZED: "You are signed out",
    HTTPStatus.FORBIDDEN: "You don't have permission",
    HTTPStatus.NOT_FOUND: "Page not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Method not allowed",
    HTTPStatus.CONFLICT: "That is not possible now",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Too large",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
    HTTPStatus.SERVICE_UNAVAILABLE: "Temporarily unavailable",
}
MESSAGES: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "The form or the address was incomplete. Go back and try again.",
    HTTPStatus.NOT_FOUND: "The page may have moved, or the address is incomplete.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not accept this kind of request.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "This page does not accept that much data.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The error has been logged. Please try again in a minute.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Please try again in a minute.",
}


def title_of(status: int) -> str:
    """The heading of an error page with this status."""
    return TITLES.get(status, TITLES[HTTPStatus.BAD_REQUEST])


def as_sentence(text: str) -> str:
    """An error's text with a capital letter and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def error_response(status: int, message: str) -> Response:
    """One error as a page or as JSON, whichever was asked for."""
    message = as_sentence(message)
    if wants_json():
        response = jsonify(status="error", error=message)
    elif request_ctx.url_adapter is None:  # the Host is malformed, so a page cannot link to anything
        response = Response(f"{message}\n", mimetype="text/plain")
    else:
        response = make_response(render_template("error.html", title=title_of(status), message=message))
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"  # the address may hold a token
    return response


def wants_json() -> bool:
    """Whether a program is asking: it sent JSON, calls the API, or prefers JSON to a page."""
    best = request.accept_mimetypes.best_match(("text/html", "application/json"))
    return request.is_json or request.path.startswith("/api/") or best == "application/json"


def register(app: Flask) -> None:
    """Handle our own errors, HTTP errors and database errors."""
    app.after_request(_say_when_to_retry)

    @app.errorhandler(DigestError)
    def handle_digest_error(error: DigestError) -> Response:
        status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), None)
        if status is None:
            return error_response(
                HTTPStatus.INTERNAL_SERVER_ERROR, MESSAGES[HTTPStatus.INTERNAL_SERVER_ERROR]
            )
        return error_response(status, str(error))

    @app.errorhandler(HTTPException)
    def handle_http_error(error: HTTPException) -> Response | HTTPException:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        if status < HTTPStatus.BAD_REQUEST:  # a redirect
            return error
        response = error_response(status, _message_of(error, status))
        for name, value in error.get_headers():
            if name not in {"Content-Type", "Content-Length"}:
                response.headers[name] = value
        return response

    @app.errorhandler(OperationalError)
    @app.errorhandler(InterfaceError)
    @app.errorhandler(NoConnection)
    def handle_database_error(error: OperationalError | InterfaceError | NoConnection) -> Response:
        app.logger.error("database error: %s", type(getattr(error, "orig", None) or error).__name__)
        return error_response(HTTPStatus.SERVICE_UNAVAILABLE, MESSAGES[HTTPStatus.SERVICE_UNAVAILABLE])

    @app.errorhandler(DataError)
    def handle_data_error(_error: DataError) -> Response:
        """PostgreSQL accepts no NUL in text."""
        return error_response(HTTPStatus.BAD_REQUEST, MESSAGES[HTTPStatus.BAD_REQUEST])

    @app.errorhandler(HTTPStatus.INTERNAL_SERVER_ERROR)
    def handle_unexpected_error(_error: Exception) -> Response:
        return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, MESSAGES[HTTPStatus.INTERNAL_SERVER_ERROR])


def _say_when_to_retry(response: Response) -> Response:
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers.setdefault("Retry-After", RETRY_AFTER_SECONDS)
    return response


def _message_of(error: HTTPException, status: int) -> str:
    """The view's own description, or our message in place of Werkzeug's default."""
    description = error.description or ""
    return MESSAGES.get(status, description) if description == type(error).description else description

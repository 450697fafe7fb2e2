"""What went wrong becomes one clear line: a page for a person, JSON for a program, and never a stack trace."""

from typing import Final

from flask import Flask, Response, jsonify, make_response, render_template, request
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import HTTPException

from digest.errors import BadInput, BadToken, DigestError, NotAllowed, NotFound, Unavailable

STATUS: Final[dict[type[DigestError], int]] = {
    BadToken: 404,
    BadInput: 400,
    NotFound: 404,
    NotAllowed: 409,
    Unavailable: 503,
}
TITLES: Final[dict[int, str]] = {
    400: "That could not be read",
    403: "This page is not open to you",
    404: "Nothing is here",
    405: "This page cannot do that",
    409: "That is not possible now",
    413: "That is too large",
    429: "One moment, please",
    500: "Something broke on our side",
    503: "We cannot reach something we need",
}
LINES: Final[dict[int, str]] = {
    400: "The form or address was not complete. Go back and try once more.",
    404: "The page may have moved, or the address was not complete.",
    405: "The address is right, but it does not take this kind of request.",
    413: "What was sent is larger than this page takes.",
    500: "It is noted in our log. Please try again in a minute.",
    503: "Please try again in a minute.",
}


def answer(status: int, line: str) -> Response:
    """One problem as a page or as JSON, whichever was asked for."""
    line = line[:1].upper() + line[1:]
    line = line if line.endswith((".", "?", "!")) else line + "."
    if wants_json():
        response = jsonify(status="error", error=line)
    else:
        response = make_response(
            render_template("problem.html", title=TITLES.get(status, TITLES[400]), line=line)
        )
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"  # the address may hold a token
    return response


def wants_json() -> bool:
    """Whether a program is asking: it sent JSON, is at the API, or takes JSON rather than a page."""
    best = request.accept_mimetypes.best_match(("text/html", "application/json"))
    return request.is_json or request.path.startswith("/api/") or best == "application/json"


def _line(problem: HTTPException, status: int) -> str:
    """What a view of ours said, or a line of ours in place of the library's own."""
    said = problem.description or ""
    return LINES.get(status, said) if said == type(problem).description else said


def register(app: Flask) -> None:
    """Give every error of ours, of the web and of the database its answer."""

    @app.errorhandler(DigestError)
    def ours(problem: DigestError) -> Response:
        status = next((code for kind, code in STATUS.items() if isinstance(problem, kind)), 500)
        return answer(status, str(problem) if status != 500 else LINES[500])  # noqa: PLR2004

    @app.errorhandler(HTTPException)
    def of_the_web(problem: HTTPException) -> Response | HTTPException:
        status = problem.code or 500
        if status < 400:  # noqa: PLR2004  a redirect is no problem
            return problem
        response = answer(status, _line(problem, status))
        for name, value in problem.get_headers():
            if name not in {"Content-Type", "Content-Length"}:
                response.headers[name] = value
        return response

    @app.errorhandler(OperationalError)
    def of_the_database(problem: OperationalError) -> Response:
        app.logger.error("the database did not answer: %s", type(problem.orig).__name__)
        return answer(503, LINES[503])

    @app.errorhandler(DataError)
    def not_storable(_problem: DataError) -> Response:
        """PostgreSQL takes no NUL in a text."""
        return answer(400, LINES[400])

    @app.errorhandler(500)
    def unforeseen(_problem: Exception) -> Response:
        return answer(500, LINES[500])

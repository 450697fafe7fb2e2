"""Refuses control characters and half surrogates in everything that a request brings, whichever view it is for.

No form of ours sends them, PostgreSQL stores neither, and a terminal or a log would obey some of them.
"""

import logging
import re
from collections.abc import Iterator
from typing import Final

from flask import Flask, request
from werkzeug.exceptions import BadRequest, NotFound

# Tab, line feed, vertical tab, form feed and carriage return come with text that people paste.
_REFUSED: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
MAX_JSON_DEPTH: Final = 16
LOG = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Refuse such a request with 400 before any view sees it, or with 404 for a path, which no page has."""

    @app.before_request
    def refuse_control_characters() -> None:
        if _REFUSED.search(request.path):
            raise NotFound
        if any(_REFUSED.search(text) for text in _texts()):
            LOG.warning("control characters refused", extra={"endpoint": request.endpoint})
            raise BadRequest(
                "This request contains control characters, such as NUL, so nothing was changed. "
                "Remove them and try again."
            )


def _texts() -> Iterator[str]:
    """All texts of this request: query, headers, form, names of files, JSON. Uploaded files are not read."""
    for name, value in request.headers.items():
        yield name
        yield value
    for name, value in (*request.args.items(multi=True), *request.form.items(multi=True)):
        yield name
        yield value
    for name, file in request.files.items(multi=True):
        yield name
        yield file.filename or ""
    if request.is_json:
        yield from _texts_of_json()


def _texts_of_json() -> Iterator[str]:
    """The texts of a JSON body, keys and values; none when it is not JSON. Raises BadRequest for deep nesting."""
    try:
        waiting = [(request.get_json(silent=True), 0)]
    except RecursionError:
        raise BadRequest(_too_deep()) from None
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_JSON_DEPTH:
            raise BadRequest(_too_deep())
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            waiting.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list):
            waiting.extend((item, depth + 1) for item in value)


def _too_deep() -> str:
    return f"This JSON is nested more than {MAX_JSON_DEPTH} levels deep."

"""A web server of another version than the database shows no page and takes no form: both could be wrong."""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, request

from digest.web.error_pages import error_response

LOG = logging.getLogger(__name__)
MEMORY_SECONDS: Final = 1.0  # a page costs no query of its own; what is written is checked each time
MESSAGE: Final = "This site is being upgraded. Please try again in a few minutes"
_ALWAYS: Final = frozenset({"static", "health.healthz", "health.readyz"})


class VersionCheck:
    """Asks again after a second whether this program may use the database; several threads may ask."""

    def __init__(
        self, find_obstacle: Callable[[], str | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._find_obstacle, self._clock = find_obstacle, clock
        self._found: str | None = None
        self._until = float("-inf")

    def find(self) -> str | None:
        """Why not, in one line for operators; None when it may."""
        if (now := self._clock()) >= self._until:
            self._found, self._until = self._find_obstacle(), now + MEMORY_SECONDS
        return self._found


def register(app: Flask, check: VersionCheck) -> None:
    """Answer 503 to every request but for files and those of operators while the check finds something."""

    @app.before_request
    def refuse_other_version() -> Response | None:
        if request.endpoint in _ALWAYS or (obstacle := check.find()) is None:
            return None
        LOG.error("request refused", extra={"reason": obstacle})
        return error_response(
            HTTPStatus.SERVICE_UNAVAILABLE, MESSAGE
        )  # the desk's own page needs the database

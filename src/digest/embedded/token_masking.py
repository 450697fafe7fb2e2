"""Keeps the tokens of personal links out of every log: whoever reads one must not be able to unsubscribe a reader."""

import logging
import re
from typing import Final

# Paths that end with a token, here and in other tools' way of writing a request: "GET /go/<token> HTTP/1.1".
_LINKS: Final = re.compile(r"(/(?:confirm|preferences|unsubscribe|vote|go|view|desk/enter)/)[\w.~%=-]+")
# What an identity provider sends back in a query, and what a link of ours may carry there.
_QUERIES: Final = re.compile(r"([?&](?:code|state|token|form|address|email|to)=)[^&\s\"]+")
MASK: Final = r"\1…"
_LOGGERS: Final = ("gunicorn.access", "gunicorn.error", "waitress", "waitress.queue", "wsgi")


def mask_tokens(text: str) -> str:
    """The text with the token of each personal link replaced by an ellipsis."""
    return _QUERIES.sub(MASK, _LINKS.sub(MASK, text))


class TokenMask(logging.Filter):
    """Masks the records of web servers, which have handlers and formats of their own."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the message by its masked form, and let it pass."""
        record.msg, record.args = mask_tokens(record.getMessage()), None
        return True


_MASK_FILTER: Final = TokenMask()


def mask_web_servers() -> None:
    """Mask what gunicorn and waitress log in this process, wherever it goes. Calling it again changes nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_MASK_FILTER)

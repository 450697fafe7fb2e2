"""Keeps the tokens of personal links and email addresses out of every log.

Whoever reads a log must be able neither to unsubscribe a reader nor to tell who the readers are. Our own lines hold no
address, but an error of PostgreSQL quotes the row that it refused, and a mail server quotes the recipient.
"""

import logging
import re
from typing import Final

_PATHS: Final = ("/confirm/", "/preferences/", "/unsubscribe/", "/vote/", "/go/", "/view/", "/desk/enter/")
_PARAMETERS: Final = ("code", "state", "token", "form", "address", "email", "to")


def _in_any_spelling(text: str) -> str:
    """A pattern for a text in a URL, each character of which may be percent-encoded: the server decodes them all."""
    return "".join(f"(?:{re.escape(char)}|%{ord(char):02x})" for char in text)


# Paths that end with a token, here and in other tools' way of writing a request: "GET /go/<token> HTTP/1.1".
_LINKS: Final = re.compile(rf"(?i)({'|'.join(map(_in_any_spelling, _PATHS))})[\w.~%=-]+")
# What an identity provider sends back in a query, and what a link of ours may carry there.
_QUERIES: Final = re.compile(rf"(?i)([?&](?:{'|'.join(map(_in_any_spelling, _PARAMETERS))})=)[^&\s\"]+")
# What stands before the @ of an address, or of a URL with a password; Celery's own names are no addresses. It has at
# most 64 characters (RFC 5321, 4.5.3.1.1), and a word is scanned from its start only: hostile text costs little.
_ADDRESSES: Final = re.compile(
    r"(?<![\w.+-])(?!celery@)[^\s<>()\[\]{}|,;:\"'=/?&@\\]{1,64}(?:@|%40)(?=[\w\[])"
)
MASK: Final = r"\1…"
_LOGGERS: Final = ("gunicorn.access", "gunicorn.error", "waitress", "waitress.queue", "wsgi")


def mask_tokens(text: str) -> str:
    """The text with the token of each personal link, and each address but for its domain, replaced by an ellipsis."""
    return _ADDRESSES.sub("…@", _QUERIES.sub(MASK, _LINKS.sub(MASK, text)))


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

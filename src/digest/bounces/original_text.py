"""Where a text for people ends and the email that came back begins, in messages that carry both in one part."""

import re
from typing import Final

from digest.bounces.vocabulary import SEPARATORS

_FIELD: Final = re.compile(r"^>?[ ]?([A-Za-z][A-Za-z0-9-]{1,60}):.*$")
_CERTAIN: Final = frozenset(
    {"received", "return-path", "message-id", "dkim-signature", "mime-version", "x-mailer", "delivered-to"}
)
_RUN: Final = 3  # lines of a header that are needed to call it one


def split_original(text: str) -> tuple[str, str]:
    """Return the text before the returned email, and the returned email, which may be empty."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if SEPARATORS.search(line):
            return "\n".join(lines[:number]), "\n".join(_unquote(lines[number + 1 :])).lstrip("\n")
        if _FIELD.match(line) and _is_header(lines[number : number + 40]):
            return "\n".join(lines[:number]), "\n".join(_unquote(lines[number:]))
    return text, ""


def _is_header(lines: list[str]) -> bool:
    """Whether the lines begin with the header of an email; the fields that bounces quote alone do not suffice."""
    names = []
    for line in lines:
        if found := _FIELD.match(line):
            names.append(found[1].lower())
        elif not line.startswith((" ", "\t", "> ", ">\t")):
            break
    return len(names) >= _RUN and not _CERTAIN.isdisjoint(names)


def _unquote(lines: list[str]) -> list[str]:
    return [line.removeprefix("> ") for line in lines]

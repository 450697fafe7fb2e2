"""The addresses that a text for people says could not be reached, and what it says about each.

flufl.bounce knows the texts of many mail systems. What it does not find, the lines around an address tell.
"""

import logging
import re
from collections.abc import Iterable
from email.message import Message
from typing import Final

from flufl.bounce import all_failures

from digest.bounces.addresses import field_addresses, find_addresses, is_address, is_system
from digest.bounces.original import delivered_to

logger = logging.getLogger(__name__)
logging.getLogger(
    "flufl.bounce"
).disabled = True  # it logs a traceback of whatever hostile input makes it raise
MAX_NAMED: Final = 200  # recipients of one text
_LINES_AFTER: Final = 12  # of text after an address that are about it
# How a text points to the address that failed: in a command, or at the beginning of a line; or after a word.
_SURE_POINTERS: Final = (
    re.compile(r"\brcpt to:\s*<?([^\s<>]{3,254})>?", re.IGNORECASE),
    re.compile(r"^\W{0,6}<?([^\s<>,;:()]{1,64}@[^\s<>,;:()]{1,190}?)>?\W{0,3}(?:[:(].*|\s.*)?$"),
)
_POINTERS: Final = (
    re.compile(
        r"(?:recipients?|address(?:es)?|mailbox|user|account|to)\W{1,4}(?:smtp:)?"
        r"<?([^\s<>,;:()\[\]]{1,64}@[^\s<>,;:()\[\]]{1,190})",
        re.IGNORECASE,
    ),
)
_RULE: Final = "_" * 10  # above the footer of a virus scanner or a company
_FORWARDED: Final = re.compile(
    r"\((?:generated|expanded|forwarded|ultimately generated) from:? <?([^\s<>()]{3,254})>?\)", re.IGNORECASE
)


def text_recipients(message: Message, text: str, original: Message | None) -> list[str]:
    """Return the addresses that a text says could not be reached, as far as one can tell."""
    ours = {found.lower() for found in _not_recipients(message, original)}

    def of_readers(found: Iterable[str]) -> list[str]:
        return [a for a in dict.fromkeys(found) if a.lower() not in ours and not is_system(a)][:MAX_NAMED]

    known = field_addresses(message, "x-failed-recipients") or _named_in(message, text)
    if named := of_readers(known) or known[:MAX_NAMED] or of_readers(_pointed_at(text)):
        return named
    others = of_readers(find_addresses(text))
    if len(others) == 1:
        return others
    return field_addresses(original, "to")[:1] if original is not None else []


def _not_recipients(message: Message, original: Message | None) -> Iterable[str]:
    """Yield the addresses of the sender, and of the system that wrote the message."""
    yield from delivered_to(message)
    yield from (found for name in ("from", "sender", "reply-to") for found in field_addresses(message, name))
    if original is not None:
        yield from (
            found for name in ("from", "return-path", "sender") for found in field_addresses(original, name)
        )


def _named_in(message: Message, text: str) -> list[str]:
    """Return what flufl.bounce finds, and the other addresses that the text lists beside these.

    It also searches the returned email, where each Message-ID looks like an address; and it completes bare names.
    """
    lowered = text.lower()
    known = [address for address in _by_library(message) if address.partition("@")[0].lower() in lowered]
    listed = _matching(text, _SURE_POINTERS)
    return listed if known and {k.lower() for k in known} <= {found.lower() for found in listed} else known


def _by_library(message: Message) -> list[str]:
    try:
        temporary, permanent = all_failures(message)
    except Exception as error:
        logger.info("flufl.bounce failed on a message", exc_info=error)
        return []
    found = sorted(address.decode("utf-8", "replace") for address in permanent | temporary)
    return [address for address in found if is_address(address)]


def _pointed_at(text: str) -> list[str]:
    return _matching(text, _SURE_POINTERS) or _matching(text, _POINTERS)


def _matching(text: str, pointers: Iterable[re.Pattern[str]]) -> list[str]:
    return [
        address
        for line in text.split("\n")
        for pointer in pointers
        if (match := pointer.search(line.rstrip()))
        for address in find_addresses(match[1])
    ]


def text_about(address: str, text: str, others: Iterable[str]) -> str:
    """Return the lines about one address, from where it stands to the next one; empty if it does not stand there."""
    lines = text.split("\n")
    lowered = [line.lower() for line in lines]
    start = next((number for number, line in enumerate(lowered) if address.lower() in line), None)
    if start is None:
        return ""
    end = start + _LINES_AFTER
    for number in range(start + 1, min(end, len(lines))):
        is_other = any(other.lower() in lowered[number] for other in others if other != address)
        if is_other or lowered[number].startswith(_RULE):
            end = number
            break
    return "\n".join(lines[start:end])


def forwarded_from(address: str, text: str) -> str | None:
    """Return the address that was emailed, if the text says that this one was made from it."""
    found = text.lower().find(address.lower())
    match = _FORWARDED.search(text, found, found + len(address) + 300) if found >= 0 else None
    return match[1] if match and is_address(match[1]) else None

"""Header lines: folded only where that is harmless, and safe for any text."""

import base64
import re

from digest.errors import BadInput
from digest.loopback import is_loopback_url
from digest.render.clean import single_line

FOLD = 76
MAX_LINE = 998  # RFC 5322, 2.1.1
MAX_WORD = 60  # a longer run of letters cannot be folded: it goes as encoded-words

_LOCAL_PART = re.compile(r"[!-;=?-~]+")
_WIDE_LOCAL_PART = re.compile(r"[^\x00-\x20\x7f-\x9f<>\ud800-\udfff]+")
_DOMAIN = re.compile(r"[A-Za-z0-9.-]+")
_SPECIAL = re.compile(r"[^A-Za-z0-9 !#$%&\'*+/=?^_`{|}~-]")


def unstructured(name: str, text: str) -> str:
    """`Name: text` with RFC 2047 encoded-words only when the text needs them, and no line break but folding."""
    text = single_line(text)
    return f"{name}: {_folded(text, len(name) + 2) if _plain(text) else encoded_words(text, len(name) + 2)}"


def mailbox(name: str, display: str, address: str) -> str:
    """`Name: Display <address>`. The address must be checked before; it is only kept on its line here."""
    display, address = single_line(display), single_line(address).replace(" ", "")
    if not display:
        return f"{name}: {address}"
    if not _plain(display):
        return f"{name}: {encoded_words(display, len(name) + 2)}\r\n <{address}>"
    return f"{name}: {phrase(display)} <{address}>"


def plain_address(address: str, *, wide: bool = False) -> str:
    """The address as it is, when it can stand in a header: no blank, bracket, control character or encoded-word.

    With `wide`, its local part may be UTF-8. Raises BadInput.
    """
    local, _, domain = address.rpartition("@")
    fits = (_WIDE_LOCAL_PART if wide else _LOCAL_PART).fullmatch(local) and _DOMAIN.fullmatch(domain)
    if not fits or "=?" in address:
        raise BadInput(
            f"{single_line(address)!r} is not an address for an email header; use one like news@example.org"
        )
    return address


def own_header(name: str, value: str) -> str:
    """A header that is ours, on one line. Raises BadInput when it is not printable ASCII, or too long."""
    line = f"{name}: {value}"
    if not (line.isascii() and line.isprintable() and len(line) <= MAX_LINE) or "=?" in value:
        raise BadInput(f"the header {name} cannot contain {single_line(value)[:FOLD]!r}")
    return line


def list_unsubscribe(url: str) -> list[tuple[str, str]]:
    """The headers to unsubscribe at `url`; one-click only when it is https (RFC 8058, 3.1).

    Loopback URLs are one-click too, so that a laptop shows what would have been sent.
    """
    leave = [("List-Unsubscribe", f"<{url}>")]
    if url.startswith("https://") or is_loopback_url(url):
        leave.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return leave


def phrase(text: str) -> str:
    """ASCII words as a header's phrase, in quotes when RFC 5322 wants them."""
    if not _SPECIAL.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encoded_words(text: str, start: int) -> str:
    """The text as encoded-words (RFC 2047) in lines of at most 76 characters; `start` columns are taken."""
    room, out, chunk = FOLD - start - len("=?utf-8?b??="), [], b""
    for character in text:
        raw = character.encode()
        if chunk and (len(chunk) + len(raw) + 2) // 3 * 4 > room:
            out.append(chunk)
            chunk, room = b"", FOLD - 1 - len("=?utf-8?b??=")
        chunk += raw
    out.append(chunk)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(part).decode()}?=" for part in out)


def _plain(text: str) -> bool:
    return text.isascii() and "=?" not in text and all(len(word) <= MAX_WORD for word in text.split(" "))


def _folded(text: str, start: int) -> str:
    lines, room = [""], FOLD - start
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
            room = FOLD - 1
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\r\n ".join(lines)

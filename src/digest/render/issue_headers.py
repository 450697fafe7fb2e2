"""An issue's headers and the boundaries of its two parts (RFC 5322, 2046, 2369, 2919, 8058)."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from digest.errors import BadInput
from digest.render import headers as h
from digest.render.clean import single_line
from digest.render.compiled_issue import Part
from digest.render.content import Edition, Masthead
from digest.render.slots import MESSAGE_ID, TO, UNSUBSCRIBE, Piece, Slots

_TEXT_PART = (
    'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
)
_HTML_PART = 'Content-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'


def check_addresses(edition: Edition) -> None:
    """Raise BadInput when an address or a URL of this edition is not valid in a mail."""
    for url in (edition.base_url, *(block.url for block in edition.blocks)):
        _url(url)
    for address in (edition.masthead.sender_address, edition.masthead.reply_to):
        if address is not None:
            h.plain_address(address)


def build_headers(
    edition: Edition, slots: Slots, *, subjects: Mapping[str, str], date: str, boundary: str
) -> Part:
    """Every header of an issue's mail, down to the first line of its text part; a piece for each form of the subject.

    One line per List-* header: a folded or encoded one breaks one-click unsubscribing. Auto-Submitted and
    Precedence keep holiday replies away (RFC 3834). Raises BadInput when an address is not valid in a header.
    """
    mast, base = edition.masthead, _url(edition.base_url)
    lines = {form: h.unstructured("Subject", subject) for form, subject in subjects.items()}
    head = [
        h.mailbox("From", mast.sender_name, h.plain_address(mast.sender_address)),
        f"To: <{slots[TO]}>",
        *([f"Reply-To: {h.plain_address(mast.reply_to)}"] if mast.reply_to else []),
    ]
    foot = [
        f"Date: {date}",
        f"Message-ID: <{slots[MESSAGE_ID]}>",
        f"List-Id: {list_id(mast)}",
        *(
            f"{name}: {value}"
            for name, value in h.list_unsubscribe(f"{base}/unsubscribe/{slots[UNSUBSCRIBE]}")
        ),
        "List-Post: NO",
        f"List-Archive: <{base}{edition.path}/issues>",
        f"Feedback-ID: {edition.number}:{_label(mast.slug)}:issue:{_sender_id(mast)}",
        "Auto-Submitted: auto-generated",
        "Precedence: bulk",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
    ]
    if any(len(row) > h.MAX_LINE for whole in [*head, *foot] for row in whole.split("\r\n")):
        raise BadInput("the base URL or a name is too long for a mail header")
    texts = {"head": _lines(head), **{form: _lines([line]) for form, line in lines.items()}}
    texts["foot"] = _lines(foot) + _text_start(boundary)
    return {name: _encoded(slots.split(text)) for name, text in texts.items()}


def _lines(rows: Sequence[str]) -> str:
    return "".join(f"{row}\r\n" for row in rows)


def _encoded(parts: list[str | int]) -> Piece:
    return tuple(part if isinstance(part, int) else part.encode("ascii") for part in parts)


def _text_start(boundary: str) -> str:
    return f"\r\n--{boundary}\r\n{_TEXT_PART}"


def text_part_start(boundary: str) -> Piece:
    """From the end of the headers to the first line of the text part."""
    return (_text_start(boundary).encode("ascii"),)


def html_part_start(boundary: str) -> Piece:
    """From the end of the text part to the first line of the HTML part."""
    return (f"\r\n--{boundary}\r\n{_HTML_PART}".encode("ascii"),)


def closing_boundary(boundary: str) -> Piece:
    """Behind the HTML part."""
    return (f"\r\n--{boundary}--\r\n".encode("ascii"),)


def list_id(mast: Masthead) -> str:
    """The publication's List-Id (RFC 2919): its slug below the sender's domain, which must never change."""
    name = single_line(mast.name)
    identifier = f"<{_label(mast.slug)}.{h.plain_address(mast.sender_address).rpartition('@')[2]}>"
    fits = name and name.isascii() and "=?" not in name and len(name) < h.MAX_LINE / 2
    return f"{h.phrase(name)} {identifier}" if fits else identifier


def _sender_id(mast: Masthead) -> str:
    """Google's SenderId: 5 to 15 characters, the same for every mail of this publication."""
    source = f"{mast.slug}@{mast.sender_address.rpartition('@')[2]}"
    return f"d{hashlib.sha256(source.encode()).hexdigest()[:12]}"


def _label(slug: str) -> str:
    return re.sub("[^a-z0-9-]+", "-", slug.lower()).strip("-") or "digest"


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://[!-;=?-~]+", url) or not urlsplit(url).netloc:
        raise BadInput(f"{single_line(url)!r} is not a web address; use one like https://news.example.org")
    return url

"""MJML to HTML, around what mjml-python does wrong."""

import re

from digest.errors import BadInput

MAX_SOURCE_CHARS = 2_000_000
MAX_DEPTH = 60  # mjml-python kills the process at some hundred levels on a thread's stack

_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)[^<>]*?(/?)>")
_VOID = frozenset({"br", "hr", "img", "input", "meta", "link", "wbr", "col"})
_LAST_C1_CONTROL = 0x9F
_REFERENCE = re.compile(r"&#(\d{3,7});")


def to_html(source: str) -> str:
    r"""The HTML document of an MJML document. Raises BadInput when it is too deep, too long or not well formed.

    mjml-python prints attribute values with Rust's escapes (a letter outside ASCII becomes `\u{…}`), so that it is
    given ASCII with numeric references, which come back as letters afterwards.
    """
    from mjml import mjml2html

    if len(source) > MAX_SOURCE_CHARS or _depth(source) > MAX_DEPTH:
        raise BadInput(
            f"it is too long, or nested more than {MAX_DEPTH} levels deep; shorten the intro or the notes"
        )
    ascii_only = source.replace("\\", "&#92;").encode("ascii", "xmlcharrefreplace").decode("ascii")
    try:
        html: str = mjml2html(ascii_only, fonts={})
    except ValueError as error:
        raise BadInput(f"the mail template is not well-formed MJML: {error}") from None
    if "\\" in html:
        raise BadInput(
            "the mail template holds a line break or a tab inside an attribute; put it on one line"
        )
    return _REFERENCE.sub(_letter, html)


def _letter(match: re.Match[str]) -> str:
    number = int(match[1])
    return (
        chr(number) if number > _LAST_C1_CONTROL else match[0]
    )  # those below are markup and control characters


def _depth(source: str) -> int:
    depth = deepest = 0
    for closing, name, empty in _TAG.findall(source):
        if empty or name in _VOID:
            continue
        depth += -1 if closing else 1
        deepest = max(deepest, depth)
    return deepest

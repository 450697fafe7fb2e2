"""Text from elsewhere, made fit for a mail: no control characters, no stray breaks; every other character stays."""

import re

# What XML 1.0 forbids (mjml-python raises on it), the C1 controls that HTML reads as something else, lone surrogates.
_FORBIDDEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACE = re.compile(r"[ \t\n]+")


def multiline(text: str) -> str:
    """The text with line feeds as its only breaks and without control characters."""
    return _FORBIDDEN.sub("", _BREAKS.sub("\n", text))


def single_line(text: str) -> str:
    """The text on one line, runs of blanks as one space: fit for a header, a heading or an attribute."""
    return _SPACE.sub(" ", multiline(text)).strip()

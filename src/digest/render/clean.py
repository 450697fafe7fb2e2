"""Text from elsewhere, made fit for a mail: no control characters, no stray breaks; every other character stays.

Overrides and embeddings (U+202A to U+202E, U+2066, U+2067) go too: they would reorder what stands behind the text.
Right-to-left letters and marks stay, and `bidi` isolates them.
"""

import re

# What XML 1.0 forbids (mjml-python raises on it), the C1 controls that HTML reads as something else, lone surrogates.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066\u2067\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACE = re.compile(r"[ \t\n]+")


def multiline(text: str) -> str:
    """The text with line feeds as its only breaks and without control characters."""
    return _FORBIDDEN.sub("", _BREAKS.sub("\n", text))


def single_line(text: str) -> str:
    """The text on one line, runs of blanks as one space: fit for a header, a heading or an attribute."""
    return _SPACE.sub(" ", multiline(text)).strip()

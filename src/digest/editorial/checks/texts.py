"""The texts that an editor wrote for an issue, and the links in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from digest.editorial.models import Issue

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_MAX_NESTING = 20
_INLINE_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)[^`]{1,500}(?<!`)\1(?!`)")
_NOT_A_LINE_BREAK = re.compile(r"[^\n]")


@dataclass(frozen=True)
class EditorText:
    """One text of the issue: what it is called in a sentence, the form field that holds it, and its content."""

    label: str
    location: str
    markdown: str

    def describe_place(self, line: int) -> str:
        """Return where a line is, to start a sentence: "Line 3 of the intro"; a text of one line is just named."""
        if "\n" in self.markdown:
            return f"Line {line} of {self.label}"
        return self.label[:1].upper() + self.label[1:]


def inbox_texts(issue: Issue) -> Sequence[EditorText]:
    """Return the subject and the preheader, which are plain text."""
    return [
        EditorText("the subject", "subject", issue.subject),
        EditorText("the preheader", "preheader", issue.preheader),
    ]


def editor_texts(issue: Issue) -> Sequence[EditorText]:
    """Return the intro and the notes of the issue, which are Markdown."""
    notes = [
        EditorText(f"the note on pick {pick.position}", f"note-{pick.comparison_id}", pick.note)
        for pick in issue.picks
        if pick.note
    ]
    return [EditorText("the intro", "intro", issue.intro), *notes]


@lru_cache(maxsize=64)  # several checks read the same text
def extract_links(markdown: str) -> tuple[str, ...]:
    """Return the link targets in a Markdown text, in order and without duplicates, also those a mail would omit."""
    children = (child for token in make_parser().parse(markdown) for child in token.children or ())
    links = (str(child.attrGet("href") or "") for child in children if child.type == "link_open")
    return tuple(dict.fromkeys(links))


def make_parser() -> "MarkdownIt":
    """Return a parser for the Markdown of a mail that also finds the links which the mail would omit."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _MAX_NESTING})
    setattr(parser, "validateLink", lambda _url: True)  # noqa: B010  mypy: a method; report bad links, do not hide them
    return parser


def blank_code(markdown: str) -> str:
    """Return the text with its code blanked out, each line where it was: what is shown as code is meant as written."""
    lines = markdown.split("\n")
    for token in make_parser().disable("inline").parse(markdown):
        if token.type in {"fence", "code_block"} and token.map:
            start, end = token.map
            lines[start:end] = [" " * len(line) for line in lines[start:end]]
    return _INLINE_CODE.sub(lambda code: _NOT_A_LINE_BREAK.sub(" ", code.group()), "\n".join(lines))


def is_followable(url: str) -> bool:
    """Return whether a mail program could open the link: a web or email address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme in {"http", "https"} and bool(parts.netloc)

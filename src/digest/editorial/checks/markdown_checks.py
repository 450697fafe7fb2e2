"""Checks for Markdown that readers would see as it was typed, because it is unfinished or not supported."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from digest.editorial.checks.finding import Finding, warning
from digest.editorial.checks.texts import EditorText, editor_texts, make_parser
from digest.editorial.models import Issue

if TYPE_CHECKING:
    from markdown_it.token import Token

_MAX_QUOTED_CHARS = 40
_NOT_A_LINK, _AS_LINK = "is not a link", "Write it as [text](address), without spaces in the address."
_NOT_EMPHASIZED, _CLOSE = "is not emphasized", "Close it with the same marks, without a space before them."
_PATTERNS: Final = (
    (r"!\[[^\[\]]{0,200}\]?\(?", "is a picture, which is not supported", "Remove it, or link to it."),
    (
        r"\[[^\[\]]{1,200}\]\s+\((?:https?:|mailto:|www\.|[\w-]+\.\w).{0,40}",
        _NOT_A_LINK,
        "Remove the space after ].",
    ),
    (r"\([^()]{1,200}\)\[(?:https?:|mailto:|www\.)[^\[\]\s]{1,200}\]?", _NOT_A_LINK, _AS_LINK),
    (r"\[[^\[\]]{1,200}\]\([^()\s]{0,200}", _NOT_A_LINK, _AS_LINK),
    (r"\[[^\[\]]{1,200}\]\[[^\[\]]{0,80}\]", _NOT_A_LINK, _AS_LINK),
    (r"\[\^[^\[\]\s]{1,40}\]", "is a footnote, which is not supported", "Move it into the text."),
    (
        r"</?[A-Za-z][^<>\n]{0,200}/?>|<!--.{0,40}",
        "is HTML, which readers would see as it is",
        "Use Markdown.",
    ),
    (r"~~(?=\S).{0,40}", "is not struck through", "Remove the tildes: strikethrough is not supported."),
    (r"\*\*(?=\S).{0,40}|(?<=\S)\*\*|(?<![\w*])\*(?=[\w“\"'])[^*]{0,40}$", _NOT_EMPHASIZED, _CLOSE),
    (r"(?<!\w)__(?=\S).{0,40}|(?<![\w_])_(?=[^\W_])[^_]{0,40}$", _NOT_EMPHASIZED, _CLOSE),
    (r"`.{0,40}", "is not code", "Close it with the same number of backticks."),
)
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-{3,}:?\s*\|[\s|:-]*")


@dataclass(frozen=True)
class _Fault:
    """What is wrong at one place of a text; `line` is counted from 1."""

    line: int
    found: str
    problem: str
    fix: str


def check_markdown(issue: Issue) -> Iterator[Finding]:
    """Yield what of the intro and the notes would not look as it was meant."""
    for source in editor_texts(issue):
        for fault in _find_faults(source.markdown):
            yield _to_finding(source, fault)


def _to_finding(source: EditorText, fault: _Fault) -> Finding:
    quoted = fault.found.strip()
    quoted = quoted if len(quoted) <= _MAX_QUOTED_CHARS else f"{quoted[: _MAX_QUOTED_CHARS - 1].rstrip()}…"
    text = f"{source.describe_place(fault.line)}: “{quoted}” {fault.problem}."
    return warning(
        "Markdown", text, fault.fix, source.location, f"{source.location} {quoted} {fault.problem}"
    )


def _find_faults(markdown: str) -> Iterator[_Fault]:
    # Without text_join, escaped characters stay apart from those that were meant as Markdown.
    parser = make_parser().disable(["image", "html_block", "html_inline", "text_join"])
    lines = markdown.split("\n")
    for token in parser.parse(markdown):
        if token.type == "fence" and token.map and not _is_closed(token, lines):
            line = lines[token.map[0]]
            yield _Fault(
                token.map[0] + 1,
                line,
                "starts code that never ends",
                f"Add a line with {token.markup} after it.",
            )
        if token.type == "inline" and token.map:
            yield from _find_in_paragraph(token, token.map[0] + 1)


def _is_closed(fence: "Token", lines: list[str]) -> bool:
    start, end = fence.map or (0, 0)
    last = lines[end - 1].strip().lstrip("> ") if end - 1 > start else ""
    return len(last) >= len(fence.markup) and set(last) == {fence.markup[0]}


def _find_in_paragraph(paragraph: "Token", first_line: int) -> Iterator[_Fault]:
    for offset, line in enumerate(_visible_lines(paragraph)):
        if _TABLE_RULE.fullmatch(line):
            yield _Fault(
                first_line + offset, line, "is a table, which is not supported", "Write a list instead."
            )
            return
        yield from _find_in_line(line, first_line + offset)


def _find_in_line(line: str, number: int) -> Iterator[_Fault]:
    """Each kind of fault once. What one explains is blanked out: it is no fault of another kind too."""
    for pattern, problem, fix in _PATTERNS:
        match = re.search(pattern, line)
        if match:
            yield _Fault(number, match.group(), problem, fix)
            line = f"{line[: match.start()]} {line[match.end() :]}"


def _visible_lines(paragraph: "Token") -> list[str]:
    """The text of each line that is shown as typed; a space stands for what is code, escaped, or a working link."""
    lines = [""]
    depth = 0
    for child in paragraph.children or ():
        if child.type in {"softbreak", "hardbreak"}:
            lines.append("")
        elif child.type in {"link_open", "link_close"}:
            depth += child.nesting
            if child.nesting > 0 and lines[-1].endswith("!"):
                lines[-1] += "[]("  # an image: the parser sees an exclamation mark and a link
            lines[-1] += " "
        elif child.type == "text":
            lines[-1] += child.content
        elif child.type not in {"em_open", "em_close", "strong_open", "strong_close"}:
            lines[-1] += " "
    return lines

"""Reads the text page of a comparison, as sites show it, without losing a word.

    AI tool comparison                          Panel ship
    LEFT vs RIGHT                               (the community's percentage, or a dash)
    Which one should you ship with? ...         Community
    (then for each tool)                        (the entry price)
    (category)                                  Entry
    (name)                                      (description, one line or more)
    (tagline)                                Reviewer scorecard
    (the panel's percentage)                 (curly-quoted: left, right; a pair per reviewer)
                                             Weekly AI Tool Verdicts, and the sign-up block to the end

Nothing is guessed: a page that can be read in two ways is refused, with the line where it becomes ambiguous.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError as Invalid

from digest.catalog import clean
from digest.catalog.comparison import FIELD_RULES, MAX_REVIEWERS
from digest.catalog.comparison_input import ComparisonInput
from digest.errors import BadInput

HEAD: Final = "AI tool comparison"
QUESTION: Final = "Which one should you ship with?"
PANEL, COMMUNITY, ENTRY = "Panel ship", "Community", "Entry"
SCORECARD: Final = "Reviewer scorecard"
SIGN_UP: Final = "Weekly AI Tool Verdicts"

_FIRST_TOOL: Final = 3  # index of the left tool's first line
_FIELDS: Final = (
    "category",
    "tool",
    "tagline",
    "panel_ship",
    None,
    "community_ship",
    None,
    "entry_price",
    None,
)
_LABELS: Final = {4: PANEL, 6: COMMUNITY, 8: ENTRY}  # by index in _FIELDS
_MAX_SIGN_UP_LINES: Final = 10
_MAX_PERCENT: Final = 100
_MAX_SHOWN_CHARS: Final = 40  # of a wrong line in an error: enough to recognise it
_PERCENT = re.compile(r"([0-9]{1,3})\s?%")
_DASHES = frozenset("\u2014\u2013\u2012\u2015\u2212-")
_TITLE_WORDS: Final = (" vs ", " vs. ", " versus ")


def parse_page(text: str, name: str) -> ComparisonInput:
    """The comparison on the page `text`; `name` is its name in errors.

    Raises BadInput, one line with `name` and line number, when it is another kind of page, cut off or ambiguous.
    """
    page = _Page.from_text(text, name)
    page.expect(0, HEAD, "this is not a comparison page; expected")
    page.expect_question()
    right = page.find_right_tool()
    scorecard = page.find_scorecard(right + len(_FIELDS))
    parsed = _Parsed()
    page.read_side("left", _FIRST_TOOL, right, parsed)
    page.read_side("right", right, scorecard, parsed)
    page.check_title(parsed)
    page.read_quotes(scorecard + 1, parsed)
    return page.build_input(parsed)


@dataclass
class _Parsed:
    """What has been read so far, and the index of the line of each part."""

    sides: dict[str, dict[str, Any]] = field(default_factory=lambda: {"left": {}, "right": {}})
    quotes: list[dict[str, Any]] = field(default_factory=list)
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Page:
    name: str
    lines: tuple[str, ...]  # those with visible text
    numbers: tuple[int, ...]  # of these lines in the file, from 1

    @classmethod
    def from_text(cls, text: str, name: str) -> "_Page":
        numbered = enumerate(clean.trimmed_lines(clean.strip_controls(text)), start=1)
        kept = [(number, line) for number, line in numbered if line]
        return cls(name, tuple(line for _, line in kept), tuple(number for number, _ in kept))

    def error(self, index: int, message: str) -> BadInput:
        number = self.numbers[min(index, len(self.numbers) - 1)] if self.numbers else 1
        return BadInput(f"{self.name}:{number}: {message}")

    def truncated_error(self, missing: str) -> BadInput:
        if not self.lines:
            return self.error(0, "the file is empty; import a whole page")
        return self.error(len(self.lines), f"the page ends before {missing}; import the whole page")

    def line(self, index: int, missing: str) -> str:
        if index >= len(self.lines):
            raise self.truncated_error(missing)
        return self.lines[index]

    def expect(self, index: int, label: str, message: str) -> None:
        if not _is_label(self.line(index, f"“{label}”"), label):
            raise self.error(index, f"{message} “{label}”, found “{_shorten(self.lines[index])}”")

    def expect_question(self) -> None:
        if not _normalise(self.line(2, f"“{QUESTION}”")).startswith(_normalise(QUESTION)):
            raise self.error(2, f"expected “{QUESTION}” after the title")

    def find_right_tool(self) -> int:
        """The index of the right tool's first line, found by its labels: the left description has any length."""
        first = _FIRST_TOOL + len(_FIELDS) + 1  # the left tool takes at least this much
        starts = [
            index
            for index in range(first, len(self.lines) - max(_LABELS))
            if all(_is_label(self.lines[index + offset], label) for offset, label in _LABELS.items())
        ]
        if len(starts) > 1:
            raise self.error(
                starts[1] + min(_LABELS),
                "a third tool begins here; a page compares two: keep one page per file",
            )
        if starts:
            return starts[0]
        self.check_labels("left", _FIRST_TOOL)
        raise self.no_right_tool_error(first)

    def no_right_tool_error(self, first: int) -> BadInput:
        for index in range(first, len(self.lines)):
            if _is_label(self.lines[index], PANEL):
                self.check_labels("right", index - min(_LABELS))
        if any(_is_label(line, SCORECARD) for line in self.lines[first:]):
            return self.error(
                first, "there is no second tool; each has category, name, tagline, figures, description"
            )
        return self.truncated_error("the second tool's figures")

    def check_labels(self, side: str, start: int) -> None:
        for offset, label in _LABELS.items():
            self.expect(
                start + offset, label, f"the {side} tool is incomplete (is a line missing?); expected"
            )

    def find_scorecard(self, start: int) -> int:
        found = [index for index in range(start, len(self.lines)) if _is_label(self.lines[index], SCORECARD)]
        if not found:
            raise self.truncated_error(f"“{SCORECARD}”")
        if len(found) > 1:
            raise self.error(found[1], f"“{SCORECARD}” appears a second time; keep one page per file")
        return found[0]

    def read_side(self, side: str, start: int, end: int, parsed: _Parsed) -> None:
        self.check_labels(side, start)
        for offset, name in enumerate(_FIELDS):
            if name:
                parsed.sides[side][name] = self.field_value(name, start + offset)
                parsed.lines[side, name] = start + offset
        body = start + len(_FIELDS)
        if body >= end:
            raise self.error(end, f"the {side} tool has no description; add it before this line")
        parsed.sides[side]["description"] = "\n".join(self.lines[body:end])
        parsed.lines[side, "description"] = body

    def field_value(self, name: str, index: int) -> str | int | None:
        text = self.lines[index]
        if FIELD_RULES[name].kind != "percent":
            return text
        if name == "community_ship":
            return (
                None if text in _DASHES else self.percent(text, index, "75%, or — if there are no votes yet")
            )
        return self.percent(text, index, "75%")

    def percent(self, text: str, index: int, example: str) -> int:
        match = _PERCENT.fullmatch(text)
        if match is None:
            raise self.error(index, f"“{_shorten(text)}” is not a whole percentage; write {example}")
        if int(match[1]) > _MAX_PERCENT:
            raise self.error(index, f"{text} is more than 100%")
        return int(match[1])

    def check_title(self, parsed: _Parsed) -> None:
        left, right = (parsed.sides[side]["tool"] for side in ("left", "right"))
        titles = {_normalise(left) + words + _normalise(right) for words in _TITLE_WORDS}
        if _normalise(self.lines[1]) not in titles:
            tools = f"“{_shorten(left)}” and “{_shorten(right)}”"
            raise self.error(
                1, f"the title does not name the two tools below it, {tools}; is a line missing?"
            )

    def read_quotes(self, index: int, parsed: _Parsed) -> None:
        first, quotes = index, parsed.quotes
        while not _is_label(self.line(index, f"“{SIGN_UP}”"), SIGN_UP):
            text, following = self.read_quote(index)
            row, is_right = divmod(len(quotes), 2)
            parsed.lines["quotes", len(quotes)] = index
            quotes.append({"side": "right" if is_right else "left", "reviewer": row + 1, "text": text})
            index = following
        if not quotes:
            raise self.error(first, "there are no quotes on the scorecard; each reviewer has one per tool")
        if len(quotes) % 2:
            raise self.error(index, f"{len(quotes)} quotes; each reviewer has two, so one is missing")
        if len(quotes) > 2 * MAX_REVIEWERS:
            raise self.error(first, f"more than {MAX_REVIEWERS} reviewers")
        self.check_end(index + 1)

    def read_quote(self, index: int) -> tuple[str, int]:
        """The quote that begins at `index`, without its quotation marks, and the index of the next."""
        if not self.lines[index].startswith("“"):
            line = _shorten(self.lines[index])
            raise self.error(index, f"“{line}” is outside the quotes, which begin with “ and end with ”")
        end = index
        while not self.lines[end].endswith("”"):
            end += 1
            if (
                end >= len(self.lines)
                or self.lines[end].startswith("“")
                or _is_label(self.lines[end], SIGN_UP)
            ):
                raise self.error(index, "this quote does not end with ”; is the page cut off?")
        text = "\n".join(self.lines[index : end + 1])[1:-1].strip()
        if not clean.multiline(text):
            raise self.error(index, "this quote is empty")
        return text, end + 1

    def check_end(self, start: int) -> None:
        for index, line in enumerate(self.lines[start:], start=start):
            if line.startswith("“") or _is_label(line, HEAD) or index >= start + _MAX_SIGN_UP_LINES:
                raise self.error(index, "the page continues after its end; keep one page per file")

    def build_input(self, parsed: _Parsed) -> ComparisonInput:
        try:
            return ComparisonInput.model_validate({**parsed.sides, "quotes": tuple(parsed.quotes)})
        except Invalid as error:
            first = error.errors(include_url=False)[0]
            index = parsed.lines.get(first["loc"][:2], 1)
            raise self.error(index, first["msg"].removeprefix("Value error, ")) from None


def _normalise(text: str) -> str:
    return " ".join(text.casefold().split())


def _is_label(text: str, label: str) -> bool:
    return len(text) <= 2 * len(label) and _normalise(text) == _normalise(label)


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_CHARS else text[: _MAX_SHOWN_CHARS - 1] + "…"

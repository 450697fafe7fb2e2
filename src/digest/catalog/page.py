"""The text page of a comparison, as sites show it, read into a Draft without losing a word.

    AI tool comparison                          Panel ship
    LEFT vs RIGHT                               (the community's percentage, or a dash)
    Which one should you ship with? ...         Community
    (then for each tool)                        (the entry price)
    (category)                                  Entry
    (name)                                      (description, one line or more)
    (tagline)                                Reviewer scorecard
    (the panel's percentage)                 (curly-quoted: left, right; a pair per reviewer)
                                             Weekly AI Tool Verdicts, and the sign-up block to the end

Nothing is guessed: a page that could be read in two ways is refused with the line where it becomes unclear.
"""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError as Invalid

from digest.catalog import clean
from digest.catalog.draft import MAX_REVIEWERS, Draft
from digest.errors import BadInput

HEAD = "AI tool comparison"
QUESTION = "Which one should you ship with?"
PANEL, COMMUNITY, ENTRY = "Panel ship", "Community", "Entry"
SCORECARD = "Reviewer scorecard"
SIGN_UP = "Weekly AI Tool Verdicts"

_SECTION = 3  # where the left tool begins
_FIELDS = ("category", "tool", "tagline", "panel_ship", None, "community_ship", None, "entry_price", None)
_LABELS = {4: PANEL, 6: COMMUNITY, 8: ENTRY}
_SIGN_UP_LINES = 10  # more than that after the page's end is not a sign-up block
_PERCENT = re.compile(r"([0-9]{1,3})\s?%")
_DASHES = frozenset("\u2014\u2013\u2012\u2015\u2212-")
_VERSUS = (" vs ", " vs. ", " versus ")


def parse(text: str, name: str) -> Draft:
    """The comparison on the page `text`, which is called `name` in errors.

    Raises BadInput, one line naming file and line, when it is no such page, is cut off or unclear.
    """
    page = _Page.of(text, name)
    page.expect(0, HEAD, "is not a comparison page, which begins with")
    page.expect_question()
    right = page.right_section()
    scorecard = page.scorecard(right + len(_FIELDS))
    found = _Found()
    page.read_side("left", _SECTION, right, found)
    page.read_side("right", right, scorecard, found)
    page.check_title(found)
    page.read_quotes(scorecard + 1, found)
    return page.draft(found)


class _Found:
    """What was read so far, and the line of each part."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, Any]] = {"left": {}, "right": {}}
        self.quotes: list[dict[str, Any]] = []
        self.lines: dict[tuple[str | int, ...], int] = {}


@dataclass(frozen=True)
class _Page:
    name: str
    lines: tuple[str, ...]  # those that show something
    numbers: tuple[int, ...]  # of these lines in the file, from 1

    @classmethod
    def of(cls, text: str, name: str) -> "_Page":
        every = enumerate(clean.lines(clean.controls(text)), start=1)
        kept = [(number, line) for number, line in every if line]
        return cls(name, tuple(line for _, line in kept), tuple(number for number, _ in kept))

    def bad(self, index: int, what: str) -> BadInput:
        number = self.numbers[min(index, len(self.numbers) - 1)] if self.numbers else 1
        return BadInput(f"{self.name}:{number}: {what}")

    def cut(self, missing: str) -> BadInput:
        if not self.lines:
            return self.bad(0, "the file is empty; import a whole page")
        return self.bad(
            len(self.lines), f"the page ends before {missing}; it was cut off: import the whole page"
        )

    def line(self, index: int, missing: str) -> str:
        if index >= len(self.lines):
            raise self.cut(missing)
        return self.lines[index]

    def expect(self, index: int, label: str, complaint: str) -> None:
        if not _same(self.line(index, f"“{label}”"), label):
            raise self.bad(index, f"{complaint} “{label}”; here stands “{_short(self.lines[index])}”")

    def expect_question(self) -> None:
        if not _plain(self.line(2, f"“{QUESTION}”")).startswith(_plain(QUESTION)):
            raise self.bad(2, f"“{QUESTION}” should stand here, after the title")

    def right_section(self) -> int:
        """Where the right tool begins. Its labels tell: the left one's description may have many lines."""
        first = _SECTION + len(_FIELDS) + 1  # the least that the left tool takes
        found = [
            index
            for index in range(first, len(self.lines) - 8)
            if all(_same(self.lines[index + place], label) for place, label in _LABELS.items())
        ]
        if len(found) > 1:
            raise self.bad(
                found[1] + 4, "a third tool begins here; a comparison has two, and a file one page"
            )
        if found:
            return found[0]
        self.check_labels("left", _SECTION)
        return self._no_right_section(first)

    def _no_right_section(self, first: int) -> int:
        for index in range(first, len(self.lines)):
            if _same(self.lines[index], PANEL):
                self.check_labels("right", index - 4)
        if any(_same(line, SCORECARD) for line in self.lines[first:]):
            raise self.bad(
                first, "there is no second tool; each has category, name, tagline, figures, description"
            )
        raise self.cut("the second tool's figures")

    def check_labels(self, side: str, start: int) -> None:
        for place, label in _LABELS.items():
            self.expect(
                start + place,
                label,
                f"the {side} tool is not as it should be (is a line missing?): here belongs",
            )

    def scorecard(self, start: int) -> int:
        found = [index for index in range(start, len(self.lines)) if _same(self.lines[index], SCORECARD)]
        if not found:
            raise self.cut(f"“{SCORECARD}”")
        if len(found) > 1:
            raise self.bad(found[1], f"“{SCORECARD}” stands here for the second time; keep one page per file")
        return found[0]

    def read_side(self, side: str, start: int, end: int, found: _Found) -> None:
        self.check_labels(side, start)
        for place, field in enumerate(_FIELDS):
            if field:
                found.sides[side][field] = self.value(field, start + place)
                found.lines[side, field] = start + place
        body = start + len(_FIELDS)
        if body >= end:
            raise self.bad(end, f"the {side} tool has no description; it belongs before this line")
        found.sides[side]["description"] = "\n".join(self.lines[body:end])
        found.lines[side, "description"] = body

    def value(self, field: str, index: int) -> str | int | None:
        text = self.lines[index]
        if field == "panel_ship":
            return self.percent(text, index, "75%")
        if field == "community_ship":
            return (
                None
                if text in _DASHES
                else self.percent(text, index, "75%, or — when there are no votes yet")
            )
        return text

    def percent(self, text: str, index: int, wanted: str) -> int:
        match = _PERCENT.fullmatch(text)
        if match is None:
            raise self.bad(index, f"“{_short(text)}” is no whole percentage; write {wanted}")
        if int(match[1]) > 100:  # noqa: PLR2004  what percent means
            raise self.bad(index, f"{text} is more than 100%")
        return int(match[1])

    def check_title(self, found: _Found) -> None:
        left, right = (_plain(found.sides[side]["tool"]) for side in ("left", "right"))
        if _plain(self.lines[1]) not in {left + versus + right for versus in _VERSUS}:
            names = f"“{_short(found.sides['left']['tool'])}” and “{_short(found.sides['right']['tool'])}”"
            raise self.bad(1, f"the title does not name the two tools below it, {names}; is a line missing?")

    def read_quotes(self, index: int, found: _Found) -> None:
        first = index
        while not _same(self.line(index, f"“{SIGN_UP}”"), SIGN_UP):
            text, after = self.quote(index)
            place, right = divmod(len(found.quotes), 2)
            found.lines["quotes", len(found.quotes)] = index
            found.quotes.append({"side": "right" if right else "left", "reviewer": place + 1, "text": text})
            index = after
        if not found.quotes:
            raise self.bad(first, "there is no quote on the scorecard; each reviewer has one per tool")
        if len(found.quotes) % 2:
            raise self.bad(index, f"{len(found.quotes)} quotes; each reviewer has two, so one is missing")
        if len(found.quotes) > 2 * MAX_REVIEWERS:
            raise self.bad(first, f"more than {MAX_REVIEWERS} reviewers")
        self.check_end(index + 1)

    def quote(self, index: int) -> tuple[str, int]:
        """The quote that begins at `index`, without the marks around it, and where the next begins."""
        if not self.lines[index].startswith("“"):
            raise self.bad(
                index,
                f"“{_short(self.lines[index])}” stands outside the quotes, which begin with “ and end with ”",
            )
        end = index
        while not self.lines[end].endswith("”"):
            end += 1
            if end >= len(self.lines) or self.lines[end].startswith("“") or _same(self.lines[end], SIGN_UP):
                raise self.bad(index, "this quote does not end with ”; is the page cut off?")
        said = "\n".join(self.lines[index : end + 1])[1:-1].strip()
        if not clean.passage(said):
            raise self.bad(index, "this quote is empty")
        return said, end + 1

    def check_end(self, start: int) -> None:
        for index, line in enumerate(self.lines[start:], start=start):
            if line.startswith("“") or _same(line, HEAD) or index >= start + _SIGN_UP_LINES:
                raise self.bad(index, "the page goes on after its end; keep one page per file")

    def draft(self, found: _Found) -> Draft:
        try:
            return Draft.model_validate({**found.sides, "quotes": tuple(found.quotes)})
        except Invalid as error:
            first = error.errors(include_url=False)[0]
            index = found.lines.get(first["loc"][:2], 1)
            said = first["msg"].removeprefix("Value error, ")
            raise self.bad(index, said) from None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _same(text: str, label: str) -> bool:
    return len(text) <= 2 * len(label) and _plain(text) == _plain(label)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004  enough to recognise a line by

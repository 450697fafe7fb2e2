"""The subject and the preheader: what an inbox shows of an issue, for all of it and for each variant by topics."""

import re
from collections.abc import Sequence

from digest.bidi import has_rtl, isolate_names
from digest.catalog.comparison import comparison_title
from digest.render.clean import single_line
from digest.render.content import Block, Edition

MAX_SUBJECT_CHARS = 60  # what an inbox on a desktop shows; a phone shows less
MAX_PREHEADER_CHARS = 110

_NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)

ToolPair = tuple[str, str]


def default_subject(pairs: Sequence[ToolPair]) -> str:
    """A subject of at most 60 characters: a question about the lead, and how many more verdicts there are."""
    return make_subject(pairs[0], len(pairs) - 1) if pairs else ""


def make_subject(lead: ToolPair, others: int) -> str:
    """The generated subject of an issue that begins with `lead` and holds `others` besides."""
    left, right = lead
    suffix = f" and {others} more verdict{'s' if others > 1 else ''}" if others else ""
    for question in (f"{left} or {right}?", f"Ship {left}?", f"Ship {right}?"):
        if len(question + suffix) <= MAX_SUBJECT_CHARS:
            return question + suffix
    return _shorten(f"{left} or {right}?", MAX_SUBJECT_CHARS - len(suffix)) + suffix


def default_preheader(pairs: Sequence[ToolPair]) -> str:
    """A preheader that names the other comparisons, as many as fit."""
    titles = [comparison_title(left, right) for left, right in (pairs[1:] or pairs)]
    if not titles:
        return ""
    prefix = "Also: " if len(pairs) > 1 else "The panel's verdict: "
    fitting = len(titles)
    while fitting and len(prefix + ", ".join(titles[:fitting])) > MAX_PREHEADER_CHARS:
        fitting -= 1
    if not fitting:
        return _shorten(prefix + titles[0], MAX_PREHEADER_CHARS)
    return prefix + ", ".join(titles[:fitting])


def issue_subject(edition: Edition) -> str:
    """The subject of the whole issue, as the editor left it."""
    return _isolated(edition.subject, edition.blocks)


def issue_preheader(edition: Edition) -> str:
    """The preheader of the whole issue, as the editor left it."""
    return _isolated(edition.preheader, edition.blocks)


def variant_subject(edition: Edition, lead: Block, picks: int) -> str:
    """The subject of a variant that begins with `lead` and has some of the picks.

    An editor's own subject stays where the issue's lead does, unless it names a tool of another pick or says how
    many there are: this reader may not get them. So would a generated one, which is generated again.
    """
    if lead == edition.blocks[0] and _speaks_of_lead_only(edition):
        return issue_subject(edition)
    return _isolated(make_subject(_pair(lead), picks - 1), [lead])


def topics_sentence(picks: int, total: int) -> str:
    """How many of an issue's verdicts a variant has, and why."""
    return f"{picks} of {total} verdicts, by your topics."


def _speaks_of_lead_only(edition: Edition) -> bool:
    """Whether the subject names no tool outside the lead, and no number of picks."""
    lead, *others = edition.blocks
    subject, total = single_line(edition.subject), len(edition.blocks)
    # Longest first: a lead's "Orrery 3" names neither the tool "Orrery" nor a number.
    for name in sorted(map(single_line, _pair(lead)), key=len, reverse=True):
        subject = _word(name).sub("", subject)
    if any(_word(single_line(name)).search(subject) for block in others for name in _pair(block)):
        return False
    counts = {str(total), str(total - 1), *_NUMBER_WORDS[total - 1 : total + 1]}
    return counts.isdisjoint(re.findall(r"\w+", subject.casefold()))


def _word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)", re.IGNORECASE)


def _pair(block: Block) -> ToolPair:
    return block.left.tool, block.right.tool


def _isolated(text: str, blocks: Sequence[Block]) -> str:
    """A subject or preheader with the tools of these picks isolated, also where `_shorten` cut a name."""
    text = single_line(text)
    names = [single_line(name) for block in blocks for name in _pair(block)]
    before, cut, _ = text.partition("…")
    if cut:
        ends = range(2, MAX_PREHEADER_CHARS)
        names += [
            f"{name[:end]}…" for name in names if has_rtl(name) for end in ends if before.endswith(name[:end])
        ]
    return isolate_names(text, names)


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"

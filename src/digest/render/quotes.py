"""Selects the most pointed excerpt per side, cut at the end of a sentence."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from digest.catalog.comparison import ReviewerQuote
from digest.render import figures
from digest.render.clean import single_line
from digest.render.content import PERCENT
from digest.render.stance import read_stance

LIMIT = 280
SHORT = 140  # an excerpt below this is better with the sentence before it
SENTENCES = (
    40  # of one quote are weighed: a hostile one has thousands, and a frozen issue would wait for minutes
)

_CLOSING = "[\"'\u201d\u2019)\\]]*"
_END = re.compile(f"(?<=[.!?]){_CLOSING}\\s+(?=[\"'\u201c\u2018(\\[]?[A-Z0-9])")
_WHOLE = re.compile(f"[.!?]{_CLOSING}$")
_POINTED = (
    (r"\bkills?\b", 5),
    (r"\bearns? (?:the|a|its) ship\b|\bearn the ship\b", 5),
    (r"\bskips?\b", 5),
    (r"\bfalls? apart\b|\bbreaks?\b|\bevaporates?\b|\bcollapses?\b", 4),
    (r"\bwon't\b|\bdon't\b|\bcan't\b|\bisn't\b|\bnever\b|\bnot because\b", 2),
    (r"\bship(?:s|ped|ping)? (?:it|this|because|narrowly|anyway)\b|\bthis ships\b|\bI'm shipping\b", 4),
    (r"\bmistake\b|\bhumbling\b|\bcheat code\b|\bnot a vibe\b|\bconveniently\b|\bgenuine(?:ly)?\b", 3),
    (r"\bno (?:business|product|moat|buyer|defensib\w+)\b|\bmoat\b", 3),
    (r"\bonly if\b|\buntil then\b|\bthe problem is\b|\bwhat saves it\b|\bwould need to change\b", 3),
    (r"—|\bbut\b", 1),
)
_STOCK = (
    (r"^(?:the )?(?:direct )?(?:category|competitors|direct competitors)\b", 5),
    (r"^the (?:primitive|thesis|buyer|dx bet|moment of truth)\b", 4),
    (r"^(?:it|that|this|they|he|she|those|these|which|and|so)\b", 2),
    (r"`", 2),
)


@dataclass(frozen=True)
class Excerpt:
    """Whole sentences of one quote, in a row. `has_before` and `has_after`: the reviewer said more."""

    side: str
    reviewer: int
    text: str
    has_before: bool
    has_after: bool
    is_dissent: bool = False  # it plainly says the opposite of the panel's verdict

    @property
    def shown(self) -> str:
        """The text, with an ellipsis where the reviewer said more."""
        return f"{'… ' if self.has_before else ''}{self.text}{' …' if self.has_after else ''}"


def select_excerpts(
    quotes: Sequence[ReviewerQuote],
    *,
    panel: Mapping[str, int] | None = None,
    limit: int = LIMIT,
    avoid: Collection[str] = (),
) -> tuple[Excerpt, ...]:
    """One excerpt per side that has quotes, left first, of at most `limit` characters each.

    Verdicts go before descriptions; two reviewers go before the same one twice; what repeats the other side's excerpt
    or a text in `avoid` (those that the issue already shows) is taken only when there is nothing else. `panel` is the
    share that says ship, by side: what contradicts its verdict goes last and is marked as a dissent, and what
    contradicts all of the panel is never taken. The same quotes give the same excerpts.
    """
    chosen: list[Excerpt] = []
    for side in ("left", "right"):
        heard = {excerpt.reviewer for excerpt in chosen}
        shown = {*avoid, *(excerpt.text for excerpt in chosen)}
        candidates = [
            replace(one, is_dissent=_contradicts(one, (panel or {}).get(side)))
            for quote in quotes
            if quote.side == side
            for one in _excerpts(quote, limit)
        ]
        if (panel or {}).get(side) in {0, PERCENT}:
            candidates = [one for one in candidates if not one.is_dissent]
        ranked = [
            (_worth(one) - 3 * (one.reviewer in heard) - 100 * _repeats(one, shown), -one.reviewer, one)
            for one in candidates
        ]
        if ranked:
            chosen.append(max(ranked, key=lambda entry: entry[:2])[2])
    return tuple(chosen)


def select_best(excerpts: Sequence[Excerpt], *, avoid: Collection[str] = ()) -> tuple[Excerpt, ...]:
    """The one that is most worth showing, as a tuple of one; empty when there is none."""
    fresh = [excerpt for excerpt in excerpts if not _repeats(excerpt, avoid)] or list(excerpts)
    return (max(fresh, key=_worth),) if fresh else ()


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, in order, with their closing marks. A capital behind a full stop begins one."""
    text, parts, start = single_line(text), [], 0
    for match in _END.finditer(text):
        parts.append(text[start : match.end()].strip())
        start = match.end()
    rest = text[start:].strip()
    return [*parts, rest] if rest else parts


def _excerpts(quote: ReviewerQuote, limit: int) -> Iterator[Excerpt]:
    """Every sentence, together with as many of the next ones as fit; a short ending takes what leads up to it."""
    every = split_sentences(quote.text)
    parts = every[:SENTENCES]
    for first in range(len(parts)):
        start, end = first, first + 1
        while end < len(parts) and _length(parts[start : end + 1]) <= limit:
            end += 1
        while start and _length(parts[first:end]) < SHORT and _length(parts[start - 1 : end]) <= limit:
            start -= 1
        text = " ".join(parts[start:end])
        whole = len(text) <= limit
        shown = text if whole else _cut(text, limit)
        yield Excerpt(quote.side, quote.reviewer, shown, start > 0, end < len(every) or not whole)


def _contradicts(excerpt: Excerpt, percent: int | None) -> bool:
    verdict = None if percent is None else figures.verdict_word(percent)
    return (verdict, read_stance(excerpt.text)) in {("ship", "skip"), ("skip", "ship")}


def _length(parts: Sequence[str]) -> int:
    return sum(map(len, parts)) + len(parts) - 1


def _repeats(excerpt: Excerpt, avoid: Collection[str]) -> bool:
    return any(part in text for part in split_sentences(excerpt.text) for text in avoid)


def _cut(text: str, limit: int) -> str:
    """The text up to the last blank that fits; a word longer than that is cut."""
    head = text[: limit - 1]
    return (head.rsplit(" ", 1)[0] if " " in head else head).rstrip(" ,;:—-")


def _worth(excerpt: Excerpt) -> float:
    """How pointed it is: by its best sentence, for a third by its first one, which must stand alone."""
    points = [_points(part) for part in split_sentences(excerpt.text)]
    dissent = 40 if excerpt.is_dissent else 0
    cut = 20 if excerpt.has_after and not _WHOLE.search(excerpt.text) else 0
    return (
        max(points, default=0)
        + min(points[:1], default=0) / 3
        + min(len(excerpt.text), 200) / 100
        - cut
        - dissent
    )


@lru_cache(maxsize=4096)
def _points(sentence: str) -> int:
    gain = sum(weight for pattern, weight in _POINTED if re.search(pattern, sentence, re.IGNORECASE))
    loss = sum(weight for pattern, weight in _STOCK if re.search(pattern, sentence, re.IGNORECASE))
    return gain - loss

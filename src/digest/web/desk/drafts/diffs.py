"""Two texts beside each other: which words went and which came; and three texts that two people made of one."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

WORDS_AT_MOST = 3000  # of what differs: comparing takes longer with its square
CONTEXT = 8  # words around a change; the rest of a long text is left out

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
Code = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class Run:
    """A stretch of text: "same", "gone", "new", or "skip" where an unchanged stretch is left out."""

    kind: str
    text: str


def runs(before: str, after: str, *, shorten: bool = False) -> list[Run]:
    """The words of both texts in order, by what became of them. `shorten` leaves out what is far from any change."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    found: list[Run] = []
    for kind, a, b, c, d in _codes(old, new):
        if kind == "equal":
            found.append(Run("same", "".join(old[a:b])))
            continue
        found += [Run("gone", "".join(old[a:b]))] if b > a else []
        found += [Run("new", "".join(new[c:d]))] if d > c else []
    return _shortened(found) if shorten else found


def join(base: str, mine: str, theirs: str) -> str | None:
    """Both changes of `base` in one text; None where they touch the same words."""
    old, one, other = (_WORDS.findall(text) for text in (base, mine, theirs))
    edits = [(a, b, one[c:d]) for kind, a, b, c, d in _codes(old, one) if kind != "equal"]
    edits += [(a, b, other[c:d]) for kind, a, b, c, d in _codes(old, other) if kind != "equal"]
    edits.sort(key=lambda edit: edit[:2])
    if any(first[1] >= second[0] for first, second in pairwise(edits)):
        return None
    joined, at = [], 0
    for start, end, words in edits:
        joined += [*old[at:start], *words]
        at = end
    return "".join([*joined, *old[at:]])


def _codes(old: list[str], new: list[str]) -> list[Code]:
    """What became of which words; what both begin and end with is not compared word by word."""
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(middle_old), len(middle_new)) > WORDS_AT_MOST:
        codes: list[Code] = [("replace", 0, len(middle_old), 0, len(middle_new))]
    else:
        codes = list(SequenceMatcher(None, middle_old, middle_new, autojunk=False).get_opcodes())
    found: list[Code] = [("equal", 0, head, 0, head)] if head else []
    found += [(kind, a + head, b + head, c + head, d + head) for kind, a, b, c, d in codes]
    found += [("equal", len(old) - tail, len(old), len(new) - tail, len(new))] if tail else []
    return found


def _alike(old: list[str], new: list[str]) -> int:
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _shortened(found: list[Run]) -> list[Run]:
    short: list[Run] = []
    for place, run in enumerate(found):
        words = _WORDS.findall(run.text)
        if run.kind != "same" or len(words) <= 3 * CONTEXT:
            short.append(run)
            continue
        before = [] if place == 0 else [Run("same", "".join(words[:CONTEXT]))]
        after = [] if place == len(found) - 1 else [Run("same", "".join(words[-CONTEXT:]))]
        short += [*before, Run("skip", "…"), *after]
    return short

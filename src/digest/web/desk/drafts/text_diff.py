"""Word diffs of two texts, and three-way merges."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

MAX_DIFF_WORDS = 3000  # in the differing middle; diffing takes quadratic time
MIN_KEPT_SHARE = 0.4  # of the words; a text that kept less was rewritten, and is shown as removed and added
CONTEXT_WORDS = 8  # around each change; the rest of a long text is collapsed

_TOKENS = re.compile(r"\s+|\w+|[^\w\s]")
OpCode = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class DiffRun:
    """A run of text. Its kind is "same", "removed", "added", or "skipped" where unchanged text is left out."""

    kind: str
    text: str


def diff_words(before: str, after: str, *, shorten: bool = False) -> list[DiffRun]:
    """Both texts as runs of words in order. `shorten` skips unchanged words far from any change."""
    old, new = _TOKENS.findall(before), _TOKENS.findall(after)
    codes = _opcodes(old, new)
    if _is_rewritten(old, new, codes):
        return [DiffRun(kind, text) for kind, text in (("removed", before), ("added", after)) if text]
    runs: list[DiffRun] = []
    for kind, a, b, c, d in codes:
        if kind == "equal":
            runs.append(DiffRun("same", "".join(old[a:b])))
            continue
        runs += [DiffRun("removed", "".join(old[a:b]))] if b > a else []
        runs += [DiffRun("added", "".join(new[c:d]))] if d > c else []
    return _collapse_unchanged(runs) if shorten else runs


def merge(base: str, mine: str, theirs: str) -> str | None:
    """A three-way merge of two changes of `base`; None where they touch the same words."""
    old, ours, others = (_TOKENS.findall(text) for text in (base, mine, theirs))
    edits = [(a, b, ours[c:d]) for kind, a, b, c, d in _opcodes(old, ours) if kind != "equal"]
    edits += [(a, b, others[c:d]) for kind, a, b, c, d in _opcodes(old, others) if kind != "equal"]
    edits.sort(key=lambda edit: edit[:2])
    if any(first[1] >= second[0] for first, second in pairwise(edits)):
        return None
    merged, position = [], 0
    for start, end, words in edits:
        merged += [*old[position:start], *words]
        position = end
    return "".join([*merged, *old[position:]])


def _opcodes(old: list[str], new: list[str]) -> list[OpCode]:
    """Edit operations from `old` to `new`. Only what follows the common start and precedes the common end is diffed."""
    head = _common_prefix_length(old, new)
    tail = _common_prefix_length(old[head:][::-1], new[head:][::-1])
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(middle_old), len(middle_new)) > MAX_DIFF_WORDS:
        codes: list[OpCode] = [("replace", 0, len(middle_old), 0, len(middle_new))]
    else:
        codes = list(SequenceMatcher(None, middle_old, middle_new, autojunk=False).get_opcodes())
    found: list[OpCode] = [("equal", 0, head, 0, head)] if head else []
    found += [(kind, a + head, b + head, c + head, d + head) for kind, a, b, c, d in codes]
    found += [("equal", len(old) - tail, len(old), len(new) - tail, len(new))] if tail else []
    return found


def _is_rewritten(old: list[str], new: list[str], codes: list[OpCode]) -> bool:
    kept = sum(_count_words(old[a:b]) for kind, a, b, _, _ in codes if kind == "equal")
    return kept < MIN_KEPT_SHARE * min(_count_words(old), _count_words(new))


def _count_words(tokens: list[str]) -> int:
    return sum(token.isalnum() for token in tokens)


def _common_prefix_length(old: list[str], new: list[str]) -> int:
    count = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        count += 1
    return count


def _collapse_unchanged(runs: list[DiffRun]) -> list[DiffRun]:
    short: list[DiffRun] = []
    for index, run in enumerate(runs):
        words = _TOKENS.findall(run.text)
        if run.kind != "same" or len(words) <= 3 * CONTEXT_WORDS:
            short.append(run)
            continue
        before = [] if index == 0 else [DiffRun("same", "".join(words[:CONTEXT_WORDS]))]
        after = [] if index == len(runs) - 1 else [DiffRun("same", "".join(words[-CONTEXT_WORDS:]))]
        short += [*before, DiffRun("skipped", "…"), *after]
    return short

"""Describes what differs between two states of an issue, as sentences, and which comparisons they are about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from digest.render.content import Block, Edition, Side

_MAX_QUOTED_CHARS = 90


@dataclass(frozen=True)
class Change:
    """One difference as a sentence; `slug` is the comparison it is about, empty for the issue's own texts."""

    text: str
    slug: str = ""


def diff_editions(before: Edition, after: Edition) -> list[Change]:
    """Return every difference that a reader would see, in the order of the mail; removed picks come last."""
    old = {block.slug: block for block in before.blocks}
    new = {block.slug: block for block in after.blocks}
    removed = [Change(f"{old[slug].title} was removed.") for slug in old if slug not in new]
    return [*_diff_texts(before, after), *_diff_picks(old, new), *_diff_order(old, new), *removed]


def _diff_texts(before: Edition, after: Edition) -> Iterator[Change]:
    for name in ("subject", "preheader"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield Change(f"{name.capitalize()} changed from {_quote(old)} to {_quote(new)}.")
    if before.intro != after.intro:
        yield Change(_describe_text("The intro", before.intro, after.intro))
    if before.masthead != after.masthead:
        yield Change("The publication's name, sender or address changed.")


def _diff_picks(old: Mapping[str, Block], new: Mapping[str, Block]) -> Iterator[Change]:
    for position, (slug, block) in enumerate(new.items(), 1):
        if slug not in old:
            yield Change(f"{block.title} was added as pick {position}.", slug)
            continue
        before = old[slug]
        for text in (*_diff_side(before.left, block.left), *_diff_side(before.right, block.right)):
            yield Change(text, slug)
        if before.quotes != block.quotes:
            yield Change(f"{block.title}: the reviewers' quotes changed.", slug)
        if before.note != block.note:
            yield Change(_describe_text(f"The note on {block.title}", before.note, block.note), slug)


def _diff_side(old: Side, new: Side) -> Iterator[str]:
    if old.tool != new.tool:
        yield f"{old.tool} was renamed to {new.tool}."
    if old.panel_ship != new.panel_ship:
        yield f"{new.tool}: the panel verdict changed from {old.panel_ship}% to {new.panel_ship}%."
    if old.community_ship != new.community_ship:
        yield f"{new.tool}: the community verdict changed from {_votes(old)} to {_votes(new)}."
    if old.entry_price != new.entry_price:
        prices = f"from {old.entry_price or 'none'} to {new.entry_price or 'none'}"
        yield f"{new.tool}: the entry price changed {prices}."
    if (old.tagline, old.category, old.description) != (new.tagline, new.category, new.description):
        yield f"{new.tool}: the description changed."


def _diff_order(old: Mapping[str, Block], new: Mapping[str, Block]) -> Iterator[Change]:
    """The picks that moved relative to the others; a pick that moves up because one was removed has not moved."""
    common_before = [slug for slug in old if slug in new]
    common_after = [slug for slug in new if slug in old]
    if common_before == common_after:
        return
    old_order, new_order = list(old), list(new)
    unmoved = _find_unmoved(common_before, common_after)
    for slug in common_after:
        if slug not in unmoved:
            positions = f"{old_order.index(slug) + 1} to {new_order.index(slug) + 1}"
            yield Change(f"{new[slug].title} moved from position {positions}.", slug)


def _find_unmoved(before: list[str], after: list[str]) -> set[str]:
    """The largest group that kept its relative order: a longest increasing subsequence of the old positions."""
    positions = [before.index(slug) for slug in after]
    best: list[list[int]] = []  # for each index, the longest increasing subsequence that ends there
    for index, position in enumerate(positions):
        shorter = [best[earlier] for earlier in range(index) if positions[earlier] < position]
        best.append([*max(shorter, key=len, default=[]), index])
    return {after[index] for index in max(best, key=len, default=[])}


def _describe_text(label: str, old: str, new: str) -> str:
    if not old:
        return f"{label} was added: {_quote(new)}."
    if not new:
        return f"{label} was removed; it said {_quote(old)}."
    return f"{label} changed: {_describe_changed_words(old.split(), new.split())}"


def _describe_changed_words(old: list[str], new: list[str]) -> str:
    """The run of words that differs, without the words before and after it that are the same."""
    shorter = min(len(old), len(new))
    start = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    rest = shorter - start
    end = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    removed, added = (" ".join(words[start : len(words) - end]) for words in (old, new))
    if not removed:
        return f"{_quote(added)} was added." if added else "only line breaks."
    return f"{_quote(removed)} became {_quote(added)}." if added else f"{_quote(removed)} was removed."


def _quote(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        return "nothing"
    shortened = text if len(text) <= _MAX_QUOTED_CHARS else text[: _MAX_QUOTED_CHARS - 1].rstrip() + "…"
    return f"“{shortened}”"


def _votes(side: Side) -> str:
    return "no votes" if side.community_ship is None else f"{side.community_ship}%"

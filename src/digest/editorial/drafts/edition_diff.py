"""What differs between two states of an issue, in words, and which of its verdicts are another's now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from digest.render.content import Block, Edition, Side

_SHOWN = 90  # characters of a text in a sentence


@dataclass(frozen=True)
class Change:
    """One difference as a sentence; `slug` is the verdict that it is about, empty for the issue's own words."""

    text: str
    slug: str = ""


def diff_editions(before: Edition, after: Edition) -> list[Change]:
    """Every difference that a reader would see, in the order of the mail; what was dropped comes last."""
    old = {block.slug: block for block in before.blocks}
    new = {block.slug: block for block in after.blocks}
    found = [*_words(before, after), *_verdicts(old, new), *_order(old, new)]
    return [*found, *(Change(f"{old[slug].title} was dropped.") for slug in old if slug not in new)]


def _words(before: Edition, after: Edition) -> Iterator[Change]:
    for name in ("subject", "preheader"):
        was, is_ = getattr(before, name), getattr(after, name)
        if was != is_:
            yield Change(f"{name.capitalize()}: {_quoted(was)} became {_quoted(is_)}.")
    if before.intro != after.intro:
        yield Change(_text("The intro", before.intro, after.intro))
    if before.masthead != after.masthead:
        yield Change("The publication's name, sender or address changed.")


def _verdicts(old: Mapping[str, Block], new: Mapping[str, Block]) -> Iterator[Change]:
    for place, (slug, block) in enumerate(new.items(), 1):
        if slug not in old:
            yield Change(f"{block.title} was added as number {place}.", slug)
            continue
        was = old[slug]
        for left, right in ((was.left, block.left), (was.right, block.right)):
            for told in _side(left, right):
                yield Change(told, slug)
        if was.quotes != block.quotes:
            yield Change(f"{block.title}: what its reviewers say changed.", slug)
        if was.note != block.note:
            yield Change(_text(f"The note on {block.title}", was.note, block.note), slug)


def _side(was: Side, is_: Side) -> Iterator[str]:
    """What changed of one tool."""
    if was.tool != is_.tool:
        yield f"{was.tool} is called {is_.tool} now."
    if was.panel_ship != is_.panel_ship:
        yield f"{is_.tool}: the panel's verdict went from {was.panel_ship} % to {is_.panel_ship} %."
    if was.community_ship != is_.community_ship:
        yield f"{is_.tool}: the readers' verdict went from {_votes(was)} to {_votes(is_)}."
    if was.entry_price != is_.entry_price:
        yield f"{is_.tool}: the entry price went from {was.entry_price or 'none'} to {is_.entry_price or 'none'}."
    if (was.tagline, was.category, was.description) != (is_.tagline, is_.category, is_.description):
        yield f"{is_.tool}: its description changed."


def _order(old: Mapping[str, Block], new: Mapping[str, Block]) -> Iterator[Change]:
    """Those that moved against the others; that one dropped out above is no move."""
    stayed_before = [slug for slug in old if slug in new]
    stayed_after = [slug for slug in new if slug in old]
    if stayed_before == stayed_after:
        return
    was, is_ = list(old), list(new)
    still = _unmoved(stayed_before, stayed_after)
    for slug in stayed_after:
        if slug not in still:
            yield Change(
                f"{new[slug].title} moved from {was.index(slug) + 1} to {is_.index(slug) + 1}.", slug
            )


def _unmoved(before: list[str], after: list[str]) -> set[str]:
    """The most that kept their order among each other (a longest increasing run of old places)."""
    places = [before.index(slug) for slug in after]
    best: list[list[int]] = []
    for n, place in enumerate(places):
        runs = [best[m] for m in range(n) if places[m] < place]
        best.append([*max(runs, key=len, default=[]), n])
    return {after[n] for n in max(best, key=len, default=[])}


def _text(what: str, was: str, is_: str) -> str:
    if not was:
        return f"{what} was written: {_quoted(is_)}."
    if not is_:
        return f"{what} was taken out; it said {_quoted(was)}."
    old, new = was.split(), is_.split()
    return f"{what} was changed: {_span(old, new)}"


def _span(old: list[str], new: list[str]) -> str:
    """The run of words that differs, with nothing of what stands alike before and behind it."""
    start = next(
        (n for n, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]),
        min(len(old), len(new)),
    )
    rest = zip(reversed(old[start:]), reversed(new[start:]), strict=False)
    end = next((n for n, pair in enumerate(rest) if pair[0] != pair[1]), min(len(old), len(new)) - start)
    gone, came = (" ".join(words[start : len(words) - end]) for words in (old, new))
    if not gone:
        return f"{_quoted(came)} is new." if came else "its line breaks."
    return f"{_quoted(gone)} became {_quoted(came)}." if came else f"{_quoted(gone)} is gone."


def _quoted(text: str) -> str:
    text = " ".join(text.split())
    return f"“{text if len(text) <= _SHOWN else text[: _SHOWN - 1].rstrip() + '…'}”" if text else "nothing"


def _votes(side: Side) -> str:
    return "no votes" if side.community_ship is None else f"{side.community_ship} %"

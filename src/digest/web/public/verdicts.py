"""One comparison as every public page shows it, whether it stands in the catalog or in a frozen issue."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from digest.catalog.read import ComparisonView, ReviewView
from digest.render import figures, quotes
from digest.render.content import Block, Quote, Side


@dataclass(frozen=True)
class Column:
    """One side with its figures in words. Percentages fit a bar: 0 to 100."""

    tool: str
    tagline: str
    category: str
    panel: int
    panel_words: str
    community: int | None
    community_words: str
    price: str
    description: str


@dataclass(frozen=True)
class Reviewer:
    """One row of the scorecard: what one reviewer said of either side, if anything."""

    place: int
    left: str | None
    right: str | None


@dataclass(frozen=True)
class Card:
    """Two sides, the panel's verdict in one sentence, and everything the reviewers said."""

    slug: str
    left: Column
    right: Column
    verdict: str
    reviewers: tuple[Reviewer, ...]
    sharpest: tuple[quotes.Excerpt, ...]
    note: str  # the editor's, Markdown; empty outside an issue

    @property
    def title(self) -> str:
        return f"{self.left.tool} vs {self.right.tool}"

    @property
    def category(self) -> str:
        same = self.left.category == self.right.category
        return self.left.category if same else f"{self.left.category} · {self.right.category}"


@dataclass(frozen=True)
class Taste:
    """One pointed sentence of one reviewer, for the front page."""

    text: str
    tool: str
    slug: str


def taste(cards: Sequence[Card]) -> Taste | None:
    """The most pointed thing that was said in these comparisons; None when nobody said anything."""
    best = quotes.best([excerpt for card in cards for excerpt in card.sharpest])
    for card in cards:
        if best and best[0] in card.sharpest:
            side = card.left if best[0].side == "left" else card.right
            return Taste(best[0].text, side.tool, card.slug)
    return None


def of_comparison(view: ComparisonView) -> Card:
    """A comparison as it stands in the catalog."""
    said = tuple(Quote(quote.side, quote.place, quote.text) for quote in view.quotes)
    return _card(view.slug, _side(view.left, "left", said), _side(view.right, "right", said), said, "")


def of_block(block: Block) -> Card:
    """A pick as it was frozen, whatever the catalog says by now."""
    return _card(block.slug, block.left, block.right, block.quotes, block.note)


def _card(slug: str, left: Side, right: Side, said: tuple[Quote, ...], note: str) -> Card:
    return Card(
        slug=slug,
        left=_column(left),
        right=_column(right),
        verdict=figures.verdict(left, right),
        reviewers=_reviewers(said),
        sharpest=quotes.sharpest(said),
        note=note,
    )


def _column(side: Side) -> Column:
    return Column(
        tool=side.tool,
        tagline=side.tagline,
        category=side.category,
        panel=figures.percent(side.panel_ship),
        panel_words=figures.split(side),
        community=None if side.community_ship is None else figures.percent(side.community_ship),
        community_words=figures.community(side),
        price=side.entry_price,
        description=side.description,
    )


def _side(view: ReviewView, name: str, said: Iterable[Quote]) -> Side:
    return Side(
        tool=view.tool,
        tagline=view.tagline,
        category=view.category,
        panel_ship=view.panel_ship,
        reviewers=sum(quote.side == name for quote in said),
        community_ship=view.community_ship,
        entry_price=view.entry_price,
        description=view.description,
    )


def _reviewers(said: Iterable[Quote]) -> tuple[Reviewer, ...]:
    by_place: dict[int, dict[str, str]] = {}
    for quote in said:
        by_place.setdefault(quote.place, {})[quote.side] = quote.text
    return tuple(
        Reviewer(place, row.get("left"), row.get("right")) for place, row in sorted(by_place.items())
    )

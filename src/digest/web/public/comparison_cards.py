"""One comparison as the public pages show it, from the catalog or from a frozen issue."""

from collections.abc import Sequence
from dataclasses import dataclass

from digest.bidi import isolate
from digest.catalog.comparison import ComparisonView, ReviewerQuote, comparison_title
from digest.render import figures, quotes
from digest.render.clean import multiline, single_line
from digest.render.content import Block, Side, make_sides


@dataclass(frozen=True)
class SideColumn:
    """One side with its figures as text. Percentages are from 0 to 100, as a bar's width."""

    tool: str
    tagline: str
    category: str
    panel: int
    panel_verdict: str  # ship, skip or split
    panel_text: str
    community: int | None
    community_verdict: str
    community_text: str
    price: str
    description: str


@dataclass(frozen=True)
class ReviewerRow:
    """One row of the scorecard: what one reviewer said about each side, if anything."""

    number: int
    left: str | None
    right: str | None


@dataclass(frozen=True)
class ComparisonCard:
    """Two sides, the panel's verdict in one sentence, and all quotes."""

    slug: str
    left: SideColumn
    right: SideColumn
    verdict: str
    reviewers: tuple[ReviewerRow, ...]
    excerpts: tuple[quotes.Excerpt, ...]
    note: str  # the editor's, Markdown; empty outside an issue

    @property
    def title(self) -> str:
        return comparison_title(self.left.tool, self.right.tool)

    @property
    def category(self) -> str:
        same = self.left.category == self.right.category
        return self.left.category if same else f"{self.left.category} · {self.right.category}"


@dataclass(frozen=True)
class Teaser:
    """A reviewer's pointed sentence, for the front page."""

    text: str
    tool: str
    slug: str
    is_dissent: bool


def find_teaser(cards: Sequence[ComparisonCard]) -> Teaser | None:
    """The most pointed quote of these comparisons; None when there are no quotes."""
    best = quotes.select_best([excerpt for card in cards for excerpt in card.excerpts])
    for card in cards:
        if best and best[0] in card.excerpts:
            side = card.left if best[0].side == "left" else card.right
            return Teaser(best[0].text, side.tool, card.slug, best[0].is_dissent)
    return None


def from_comparison(view: ComparisonView) -> ComparisonCard:
    """A comparison as the catalog has it now."""
    left, right = make_sides(view.left, view.right, view.quotes)
    return _card(view.slug, left, right, view.quotes, note="")


def from_block(block: Block) -> ComparisonCard:
    """A pick as it was frozen, whatever the catalog says now."""
    return _card(block.slug, block.left, block.right, block.quotes, block.note)


def _card(
    slug: str, left: Side, right: Side, all_quotes: tuple[ReviewerQuote, ...], note: str
) -> ComparisonCard:
    return ComparisonCard(
        slug=slug,
        left=_column(left),
        right=_column(right),
        verdict=figures.verdict_sentence(left, right),
        reviewers=_reviewers(all_quotes),
        excerpts=quotes.select_excerpts(
            all_quotes, panel={"left": left.panel_ship, "right": right.panel_ship}
        ),
        note=note,
    )


def _column(side: Side) -> SideColumn:
    return SideColumn(
        tool=isolate(single_line(side.tool)),
        tagline=single_line(side.tagline),
        category=isolate(single_line(side.category)),
        panel=figures.clamp_percent(side.panel_ship),
        panel_verdict=figures.verdict_word(side.panel_ship),
        panel_text=figures.panel_split(side),
        community=None if side.community_ship is None else figures.clamp_percent(side.community_ship),
        community_verdict="" if side.community_ship is None else figures.verdict_word(side.community_ship),
        community_text=figures.community_text(side),
        price=isolate(single_line(side.entry_price)),
        description=multiline(side.description),
    )


def _reviewers(all_quotes: Sequence[ReviewerQuote]) -> tuple[ReviewerRow, ...]:
    by_reviewer: dict[int, dict[str, str]] = {}
    for quote in all_quotes:
        by_reviewer.setdefault(quote.reviewer, {})[quote.side] = multiline(quote.text)
    return tuple(
        ReviewerRow(number, row.get("left"), row.get("right")) for number, row in sorted(by_reviewer.items())
    )

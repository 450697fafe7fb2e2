"""What the issue's templates show: an edition with its text cleaned, figures counted and links replaced."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from digest.bidi import isolate
from digest.catalog.comparison import comparison_title
from digest.render import figures, inbox_lines, markdown, quotes
from digest.render.clean import single_line
from digest.render.content import Block, Edition, Side
from digest.render.footer_address import footer_address
from digest.render.linker import Linker
from digest.render.slots import (
    MASKED_HTML,
    MASKED_TEXT,
    ORIGIN_HTML,
    ORIGIN_TEXT,
    PREFERENCES,
    UNSUBSCRIBE,
    Slots,
)

SHORT = 200  # characters of a quote under a pick that does not lead


@dataclass(frozen=True)
class ToolContext:
    """One side's figures."""

    name: str
    tagline: str
    panel: int
    verdict: str  # ship, skip or split
    split: str
    price: str
    community: int | None
    community_verdict: str
    community_text: str


@dataclass(frozen=True)
class PullQuote:
    """One quote, cut."""

    text: str  # with an ellipsis where the reviewer said more
    byline: str
    is_excerpt: bool


@dataclass(frozen=True)
class PickContext:
    """One comparison in the mail: as the first of it, and as a later one."""

    pick_id: int
    title: str
    kicker: str
    verdict: str
    left: ToolContext
    right: ToolContext
    lead_quotes: tuple[PullQuote, ...]
    short_quotes: tuple[PullQuote, ...]
    note_html: Markup
    note_text: str
    url: str


@dataclass(frozen=True)
class PartialContext:
    """What only a mail with some of the picks says."""

    picks: int
    sentence: str


@dataclass(frozen=True)
class IssueContext:
    """Everything that the issue's templates know."""

    language: str
    direction: str
    name: str
    tagline: str
    number: int
    date_text: str
    subject: str  # the document's title: the same in every variant
    preheader: str
    intro_html: Markup
    intro_text: str
    picks: tuple[PickContext, ...]
    partials: tuple[PartialContext, ...]
    footer_address: tuple[str, ...]
    online_url: str
    unsubscribe_url: str
    preferences_url: str
    masked_address_html: str
    masked_address_text: str
    origin_html: str
    origin_text: str
    marker: Callable[[str], Markup]  # the comment that ends a piece of the document
    is_test: bool


def build_context(edition: Edition, slots: Slots, linker: Linker, *, test: bool) -> IssueContext:
    """What the templates show of an edition. Raises BadInput when a Markdown text is too long."""
    mast, base = edition.masthead, edition.base_url
    intro = markdown.RenderedMarkdown(edition.intro, lambda url, label: linker.link(url, None, label))
    name, total = single_line(mast.name), len(edition.blocks)
    return IssueContext(
        language=single_line(mast.language) or "en",
        direction=figures.text_direction(mast.language),
        name=name,
        tagline=single_line(mast.tagline),
        number=edition.number,
        date_text=f"{edition.dated:%A}, {edition.dated.day} {edition.dated:%B %Y}",
        subject=f"{isolate(name)}, No. {edition.number}",
        preheader=inbox_lines.issue_preheader(edition),
        intro_html=intro.html,
        intro_text=intro.text,
        picks=_picks(edition, linker),
        partials=tuple(
            PartialContext(some, inbox_lines.topics_sentence(some, total)) for some in range(1, total)
        ),
        footer_address=footer_address(mast.name, mast.postal_address),
        online_url=f"{base}{edition.path}/issues/{edition.number}",
        unsubscribe_url=f"{base}/unsubscribe/{slots[UNSUBSCRIBE]}",
        preferences_url=f"{base}/preferences/{slots[PREFERENCES]}",
        masked_address_html=slots[MASKED_HTML],
        masked_address_text=slots[MASKED_TEXT],
        origin_html=slots[ORIGIN_HTML],
        origin_text=slots[ORIGIN_TEXT],
        marker=lambda name: Markup(slots.end_marker(name)),  # noqa: S704 our own comment: letters and digits
        is_test=test,
    )


def _picks(edition: Edition, linker: Linker) -> tuple[PickContext, ...]:
    shown: set[str] = set()
    return tuple(_pick(block, linker, shown) for block in edition.blocks)


def _pick(block: Block, linker: Linker, shown: set[str]) -> PickContext:
    left, right = single_line(block.left.tool), single_line(block.right.tool)
    url = linker.link(block.url, block.pick_id, comparison_title(left, right))
    note = markdown.RenderedMarkdown(block.note, lambda url, label: linker.link(url, block.pick_id, label))
    categories = filter(None, (single_line(block.left.category), single_line(block.right.category)))
    lead, short = _excerpts(block, shown)
    return PickContext(
        pick_id=block.pick_id,
        title=comparison_title(left, right),
        kicker=" / ".join(map(isolate, dict.fromkeys(categories))),
        verdict=figures.verdict_sentence(block.left, block.right),
        left=_tool(block.left),
        right=_tool(block.right),
        lead_quotes=tuple(_pull_quote(excerpt, block) for excerpt in lead),
        short_quotes=tuple(_pull_quote(excerpt, block) for excerpt in short),
        note_html=note.html,
        note_text=note.text,
        url=url,
    )


def _tool(side: Side) -> ToolContext:
    community = None if side.community_ship is None else figures.clamp_percent(side.community_ship)
    return ToolContext(
        name=single_line(side.tool),
        tagline=single_line(side.tagline),
        panel=figures.clamp_percent(side.panel_ship),
        verdict=figures.verdict_word(side.panel_ship),
        split=figures.panel_split(side),
        price=isolate(single_line(side.entry_price)) or "Not known",
        community=community,
        community_verdict="" if community is None else figures.verdict_word(community),
        community_text=figures.community_text(side),
    )


def _excerpts(block: Block, shown: set[str]) -> tuple[tuple[quotes.Excerpt, ...], tuple[quotes.Excerpt, ...]]:
    """Both sides' sharpest for the lead, the sharper one otherwise; none that an earlier pick has shown."""
    panel = {"left": block.left.panel_ship, "right": block.right.panel_ship}
    lead = quotes.select_excerpts(block.quotes, panel=panel, avoid=shown)
    short = quotes.select_best(
        quotes.select_excerpts(block.quotes, panel=panel, limit=SHORT, avoid=shown), avoid=shown
    )
    shown.update(excerpt.text for excerpt in (*lead, *short))
    return lead, short


def _pull_quote(excerpt: quotes.Excerpt, block: Block) -> PullQuote:
    tool = block.left.tool if excerpt.side == "left" else block.right.tool
    dissent = ", in dissent" if excerpt.is_dissent else ""
    return PullQuote(
        text=excerpt.shown,
        byline=f"Reviewer {excerpt.reviewer} on {isolate(single_line(tool))}{dissent}",
        is_excerpt=excerpt.has_before or excerpt.has_after,
    )

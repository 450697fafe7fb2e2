"""What the issue's templates show: an edition with its text cleaned, figures counted and links replaced."""

from dataclasses import dataclass

from markupsafe import Markup

from digest.catalog.comparison import comparison_title
from digest.render import figures, markdown, quotes
from digest.render.clean import single_line
from digest.render.content import Block, Edition, Side
from digest.render.footer_address import footer_address
from digest.render.linker import Linker
from digest.render.slots import MASKED_HTML, MASKED_TEXT, PREFERENCES, UNSUBSCRIBE, Slots

SHORT = 200  # characters of a quote under a pick that does not lead


@dataclass(frozen=True)
class ToolContext:
    """One side's figures."""

    name: str
    tagline: str
    category: str
    panel: int
    split: str
    price: str
    community: int | None
    community_text: str


@dataclass(frozen=True)
class PullQuote:
    """One quote, cut."""

    text: str  # with an ellipsis where the reviewer said more
    reviewer: int
    tool: str
    is_excerpt: bool


@dataclass(frozen=True)
class PickContext:
    """One comparison in the mail."""

    pick_id: int
    is_lead: bool
    title: str
    kicker: str
    verdict: str
    left: ToolContext
    right: ToolContext
    pull_quotes: tuple[PullQuote, ...]
    note_html: Markup
    note_text: str
    url: str
    end_marker: Markup  # the marker at its end


@dataclass(frozen=True)
class IssueContext:
    """Everything that the issue's three templates know."""

    language: str
    direction: str
    name: str
    tagline: str
    number: int
    date_text: str
    subject: str
    preheader: str
    intro_html: Markup
    intro_text: str
    picks: tuple[PickContext, ...]
    footer_address: tuple[str, ...]
    home_url: str
    online_url: str
    unsubscribe_url: str
    preferences_url: str
    masked_address_html: str
    masked_address_text: str
    head_marker: Markup
    is_test: bool


def build_context(edition: Edition, slots: Slots, linker: Linker, *, test: bool) -> IssueContext:
    """What the templates show of an edition. Raises BadInput when a Markdown text is too long."""
    mast, base = edition.masthead, edition.base_url
    intro = markdown.RenderedMarkdown(edition.intro, lambda url, label: linker.link(url, None, label))
    return IssueContext(
        language=single_line(mast.language) or "en",
        direction=figures.text_direction(mast.language),
        name=single_line(mast.name),
        tagline=single_line(mast.tagline),
        number=edition.number,
        date_text=f"{edition.dated:%A}, {edition.dated.day} {edition.dated:%B %Y}",
        subject=single_line(edition.subject),
        preheader=single_line(edition.preheader),
        intro_html=intro.html,
        intro_text=intro.text,
        picks=_picks(edition, slots, linker),
        footer_address=footer_address(mast.name, mast.postal_address),
        home_url=f"{base}{edition.path}/",
        online_url=f"{base}{edition.path}/issues/{edition.number}",
        unsubscribe_url=f"{base}/unsubscribe/{slots[UNSUBSCRIBE]}",
        preferences_url=f"{base}/preferences/{slots[PREFERENCES]}",
        masked_address_html=slots[MASKED_HTML],
        masked_address_text=slots[MASKED_TEXT],
        head_marker=Markup(slots.end_marker("head")),  # noqa: S704 our own comment: letters and digits
        is_test=test,
    )


def _picks(edition: Edition, slots: Slots, linker: Linker) -> tuple[PickContext, ...]:
    shown: set[str] = set()
    return tuple(
        _pick(block, slots, linker, leads=place == 0, shown=shown)
        for place, block in enumerate(edition.blocks)
    )


def _pick(block: Block, slots: Slots, linker: Linker, *, leads: bool, shown: set[str]) -> PickContext:
    title = comparison_title(single_line(block.left.tool), single_line(block.right.tool))
    url = linker.link(block.url, block.pick_id, title)
    note = markdown.RenderedMarkdown(block.note, lambda url, label: linker.link(url, block.pick_id, label))
    return PickContext(
        pick_id=block.pick_id,
        is_lead=leads,
        title=title,
        kicker=" / ".join(
            dict.fromkeys(filter(None, (single_line(block.left.category), single_line(block.right.category))))
        ),
        verdict=single_line(figures.verdict_sentence(block.left, block.right)),
        left=_tool(block.left),
        right=_tool(block.right),
        pull_quotes=_sayings(block, leads=leads, shown=shown),
        note_html=note.html,
        note_text=note.text,
        url=url,
        end_marker=Markup(slots.end_marker(block.pick_id)),  # noqa: S704 our own comment: letters and digits
    )


def _tool(side: Side) -> ToolContext:
    community = side.community_ship
    return ToolContext(
        name=single_line(side.tool),
        tagline=single_line(side.tagline),
        category=single_line(side.category),
        panel=figures.clamp_percent(side.panel_ship),
        split=figures.panel_split(side),
        price=single_line(side.entry_price) or "Not known",
        community=None if community is None else figures.clamp_percent(community),
        community_text=figures.community_text(side),
    )


def _sayings(block: Block, *, leads: bool, shown: set[str]) -> tuple[PullQuote, ...]:
    """Both sides' sharpest for the lead, the sharper one for the others; none that the mail has shown before."""
    found = quotes.select_excerpts(block.quotes, limit=quotes.LIMIT if leads else SHORT, avoid=shown)
    kept = found if leads else quotes.select_best(found, avoid=shown)
    shown.update(excerpt.text for excerpt in kept)
    tools = {"left": single_line(block.left.tool), "right": single_line(block.right.tool)}
    return tuple(
        PullQuote(
            text=f"{'… ' if quote.has_before else ''}{quote.text}{' …' if quote.has_after else ''}",
            reviewer=quote.reviewer,
            tool=tools[quote.side],
            is_excerpt=quote.has_before or quote.has_after,
        )
        for quote in kept
    )

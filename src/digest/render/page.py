"""An edition as its templates see it: cleaned, counted, linked. Everything that needs a decision is decided here."""

from dataclasses import dataclass

from markupsafe import Markup

from digest.render import figures, markdown, quotes
from digest.render.clean import line
from digest.render.content import Block, Edition, Side
from digest.render.footer_address import imprint
from digest.render.linker import Linker
from digest.render.slots import MASKED_HTML, MASKED_TEXT, PREFERENCES, UNSUBSCRIBE, Slots

SHORT = 200  # characters of a quote under a pick that does not lead


@dataclass(frozen=True)
class Tool:
    """One side's figures."""

    name: str
    tagline: str
    category: str
    panel: int
    split: str
    price: str
    community: int | None
    community_words: str


@dataclass(frozen=True)
class Saying:
    """One quote, cut."""

    text: str  # with an ellipsis where the reviewer said more
    reviewer: int
    tool: str
    cut: bool


@dataclass(frozen=True)
class Pick:
    """One comparison in the mail."""

    pick_id: int
    leads: bool
    title: str
    kicker: str
    verdict: str
    left: Tool
    right: Tool
    sayings: tuple[Saying, ...]
    note_html: Markup
    note_text: str
    url: str
    cut: Markup  # the marker at its end


@dataclass(frozen=True)
class Page:
    """Everything that the issue's three templates know."""

    language: str
    direction: str
    name: str
    tagline: str
    number: int
    dated: str
    subject: str
    preheader: str
    intro_html: Markup
    intro_text: str
    picks: tuple[Pick, ...]
    imprint: tuple[str, ...]
    home: str
    online: str
    unsubscribe: str
    preferences: str
    masked_html: str
    masked_text: str
    head_cut: Markup
    test: bool


def page(edition: Edition, slots: Slots, linker: Linker, *, test: bool) -> Page:
    """What the templates show of an edition. Raises BadInput when a Markdown text is too long."""
    mast, base = edition.masthead, edition.base_url
    intro = markdown.Rendering(edition.intro, lambda url, label: linker.to(url, None, label))
    return Page(
        language=line(mast.language) or "en",
        direction=figures.direction(mast.language),
        name=line(mast.name),
        tagline=line(mast.tagline),
        number=edition.number,
        dated=f"{edition.dated:%A}, {edition.dated.day} {edition.dated:%B %Y}",
        subject=line(edition.subject),
        preheader=line(edition.preheader),
        intro_html=intro.html,
        intro_text=intro.text,
        picks=_picks(edition, slots, linker),
        imprint=imprint(mast.name, mast.postal_address),
        home=f"{base}{edition.path}/",
        online=f"{base}{edition.path}/issues/{edition.number}",
        unsubscribe=f"{base}/unsubscribe/{slots[UNSUBSCRIBE]}",
        preferences=f"{base}/preferences/{slots[PREFERENCES]}",
        masked_html=slots[MASKED_HTML],
        masked_text=slots[MASKED_TEXT],
        head_cut=Markup(slots.cut("head")),  # noqa: S704 our own comment: letters and digits
        test=test,
    )


def _picks(edition: Edition, slots: Slots, linker: Linker) -> tuple[Pick, ...]:
    shown: set[str] = set()
    return tuple(
        _pick(block, slots, linker, leads=place == 0, shown=shown)
        for place, block in enumerate(edition.blocks)
    )


def _pick(block: Block, slots: Slots, linker: Linker, *, leads: bool, shown: set[str]) -> Pick:
    title = f"{line(block.left.tool)} vs {line(block.right.tool)}"
    url = linker.to(block.url, block.pick_id, title)
    note = markdown.Rendering(block.note, lambda url, label: linker.to(url, block.pick_id, label))
    return Pick(
        pick_id=block.pick_id,
        leads=leads,
        title=title,
        kicker=" / ".join(
            dict.fromkeys(filter(None, (line(block.left.category), line(block.right.category))))
        ),
        verdict=line(figures.verdict(block.left, block.right)),
        left=_tool(block.left),
        right=_tool(block.right),
        sayings=_sayings(block, leads=leads, shown=shown),
        note_html=note.html,
        note_text=note.text,
        url=url,
        cut=Markup(slots.cut(block.pick_id)),  # noqa: S704 our own comment: letters and digits
    )


def _tool(side: Side) -> Tool:
    community = side.community_ship
    return Tool(
        name=line(side.tool),
        tagline=line(side.tagline),
        category=line(side.category),
        panel=figures.percent(side.panel_ship),
        split=figures.split(side),
        price=line(side.entry_price) or "Not known",
        community=None if community is None else figures.percent(community),
        community_words=figures.community(side),
    )


def _sayings(block: Block, *, leads: bool, shown: set[str]) -> tuple[Saying, ...]:
    """Both sides' sharpest for the lead, the sharper one for the others; none that the mail has shown before."""
    found = quotes.sharpest(block.quotes, limit=quotes.LIMIT if leads else SHORT, avoid=shown)
    kept = found if leads else quotes.best(found, avoid=shown)
    shown.update(excerpt.text for excerpt in kept)
    tools = {"left": line(block.left.tool), "right": line(block.right.tool)}
    return tuple(
        Saying(
            text=f"{'… ' if quote.before else ''}{quote.text}{' …' if quote.after else ''}",
            reviewer=quote.place,
            tool=tools[quote.side],
            cut=quote.before or quote.after,
        )
        for quote in kept
    )

"""Sample editions, with invented tools and quotes in the shape of real comparisons."""

from dataclasses import replace
from datetime import date

from digest.catalog.comparison import ReviewerQuote
from digest.render.compile import compile_issue
from digest.render.content import Block, Edition, Masthead, Side
from digest.render.message_template import MergeFields, encode_merge_text
from digest.render.parsed_mail import ParsedMail, parse_mail

BASE = "https://verdicts.example.org"
MASTHEAD = Masthead(
    slug="weekly",
    name="Weekly Tool Verdicts",
    tagline="What to ship, and what to skip",
    sender_name="Weekly Tool Verdicts",
    sender_address="verdicts@news.example.org",
    reply_to="editor@example.org",
    postal_address="Example Press Ltd\n1 Example Street\n10115 Berlin",
    language="en",
)
QUOTES = (
    """The category is small local parsers. What kills this in a year is that browsers ship their own parser.
    Until then it earns the ship for teams that cannot upload their files.""",
    """The primitive is clean: one binary, one flag. It never phones home, and that is genuinely rare.
    The docs show real output — and the examples run.""",
    """The thesis is plausible. This falls apart when a table spans two pages, because nothing joins the halves.
    Skip it for invoices.""",
)
NAMES = (
    "Parsnip",
    "Quillet Mini",
    "Orrery 3",
    "Lantern DB",
    "Tinwhistle",
    "Halyard",
    "Marmalade 70B",
    "Osprey (beta)",
)


def side(tool: str = "Parsnip", **facts: object) -> Side:
    usual = Side(
        tool=tool,
        tagline=f"{tool} reads documents where they are",
        category="Developer Tools",
        panel_ship=75,
        reviewers=4,
        community_ship=None,
        entry_price="Free",
        description=f"{tool} is a parser of documents. It runs on a laptop.",
    )
    return replace(usual, **facts)  # type: ignore[arg-type]


def quotes() -> tuple[ReviewerQuote, ...]:
    rows = [(name, place) for place in range(1, 5) for name in ("left", "right")]
    return tuple(ReviewerQuote(name, place, QUOTES[(place + (name == "right")) % 3]) for name, place in rows)


def block(number: int = 1, **facts: object) -> Block:
    left, right = NAMES[number % 8], NAMES[(number + 3) % 8]
    usual = Block(
        pick_id=number,
        slug=f"comparison-{number}",
        url=f"{BASE}/comparisons/comparison-{number}",
        left=side(left, panel_ship=(50, 75, 100)[number % 3]),
        right=side(right, panel_ship=25 * (number % 5), community_ship=64, entry_price="$20 / month"),
        quotes=quotes(),
        note="",
    )
    return replace(usual, **facts)  # type: ignore[arg-type]


def edition(picks: int = 5, **facts: object) -> Edition:
    usual = Edition(
        issue_id=41,
        number=41,
        masthead=MASTHEAD,
        dated=date(2026, 11, 24),
        subject="Parsnip against Tinwhistle, and more",
        preheader="Which parser to ship, which one to skip, and what the panel quarrelled about this week.",
        intro="A week of **parsers**. See [the primer](https://example.net/primer) first.",
        blocks=tuple(block(number) for number in range(1, picks + 1)),
        base_url=BASE,
    )
    return replace(usual, **facts)  # type: ignore[arg-type]


def reader(*, address: str = "ada@example.com", length: int = 43) -> MergeFields:
    text, html = encode_merge_text("a•••@example.com")
    return MergeFields(
        to=address.encode(),
        message_id=b"41.7@news.example.org",
        unsubscribe=b"U" * length,
        preferences=b"P" * length,
        masked_text=text,
        masked_html=html,
        click=b"C" * length,
    )


def mail(content: Edition, order: tuple[int, ...] | None = None, *, test: bool = False) -> bytes:
    template = compile_issue(content, test=test).message_template(order)
    return template.fill(reader())


def opened(content: Edition, order: tuple[int, ...] | None = None, *, test: bool = False) -> ParsedMail:
    return parse_mail(mail(content, order, test=test))

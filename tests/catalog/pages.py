"""Invented pages in the shape of real ones, and Hypothesis strategies that generate them."""

from hypothesis import strategies as st

from digest.catalog import clean
from digest.catalog.comparison import ReviewerQuote, ToolReview
from digest.catalog.comparison_input import ComparisonInput
from digest.catalog.slug import tool_slug
from digest.catalog.text_page import COMMUNITY, ENTRY, HEAD, PANEL, QUESTION, SCORECARD, SIGN_UP

END = f"{SIGN_UP}\nGet the next comparison in your inbox\nNew AI tools ship daily. We compare them."
LABELS = {HEAD, PANEL, COMMUNITY, ENTRY, SCORECARD, SIGN_UP}


def side(tool: str = "Larkspur", **changed: object) -> ToolReview:
    facts = {
        "tool": tool,
        "tagline": f"{tool} in one line",
        "category": "Developer Tools",
        "panel_ship": 75,
        "community_ship": None,
        "entry_price": "Free",
        "description": f"{tool} does one thing well. It costs nothing.",
    }
    return ToolReview(**(facts | changed))


def draft(
    left: str | ToolReview = "Larkspur",
    right: str | ToolReview = "Harrow 34B",
    reviewers: int = 2,
    **changed: object,
) -> ComparisonInput:
    quotes = tuple(
        ReviewerQuote(side=which, reviewer=place, text=f"Reviewer {place} on the {which}.")
        for place in range(1, reviewers + 1)
        for which in ("left", "right")
    )
    facts = {"left": _side(left), "right": _side(right), "quotes": quotes} | changed
    return ComparisonInput.model_validate(facts)


def _side(one: str | ToolReview) -> ToolReview:
    return side(one) if isinstance(one, str) else one


def unparse(comparison: ComparisonInput) -> str:
    """The page that says what `comparison` says."""
    left, right = comparison.left, comparison.right
    lines = [HEAD, f"{left.tool} vs {right.tool}", f"{QUESTION} Here is the side-by-side."]
    for one in (left, right):
        community = "—" if one.community_ship is None else f"{one.community_ship}%"
        lines += [one.category, one.tool, one.tagline, f"{one.panel_ship}%", PANEL, community, COMMUNITY]
        lines += [one.entry_price, ENTRY, one.description]
    lines += [SCORECARD, *(f"“{quote.text}”" for quote in comparison.ordered_quotes()), END]
    return "\n".join(lines)


def texts(limit: int = 60) -> st.SearchStrategy[str]:
    """One line of anything that a file can hold, as it stands after cleaning; none of the page's own labels."""
    wild = st.text(st.characters(exclude_categories=["Cs"]), max_size=limit)
    likely = st.sampled_from(
        [
            "A vs B",
            "{{ name }}",
            "<script>x</script>",
            "“so-called”",
            "50%",
            "—",
            "👩‍👩‍👧",
            "سلام",
            "नमस्ते",
            'a "b"',
            "”",
            "“",
        ]
    )
    return st.one_of(wild, likely).map(clean.single_line).filter(lambda text: text and text not in LABELS)


def _spoken(text: str) -> bool:
    return not any(line.startswith("“") or line.endswith("”") for line in text.split("\n"))


def passages() -> st.SearchStrategy[str]:
    """One to three lines; those that would begin or end a quote in the middle of one are left out."""
    several = st.lists(texts(), min_size=2, max_size=3).map("\n".join).filter(_spoken)
    return st.one_of(texts(120), several)


def sides() -> st.SearchStrategy[ToolReview]:
    percent = st.integers(0, 100)
    return st.builds(
        ToolReview,
        tool=texts(),
        tagline=texts(),
        category=texts(),
        panel_ship=percent,
        community_ship=st.none() | percent,
        entry_price=texts(),
        description=passages(),
    )


@st.composite
def drafts(draw: st.DrawFn) -> ComparisonInput:
    left = draw(sides())
    right = draw(sides().filter(lambda one: tool_slug(one.tool) != tool_slug(left.tool)))
    said = draw(st.lists(st.tuples(passages(), passages()), min_size=1, max_size=4))
    quotes = [
        ReviewerQuote(side=which, reviewer=place, text=text)
        for place, pair in enumerate(said, start=1)
        for which, text in zip(("left", "right"), pair, strict=True)
    ]
    return ComparisonInput(left=left, right=right, quotes=tuple(quotes))

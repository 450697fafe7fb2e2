"""A comparison as plain values: what each side says, who said what, and what people call each field.

Declared here once. The catalog, the import, the issues, the mail, the site and the command line all use these
classes; what an import accepts and what JSON shows is derived from them. Knows no database.
"""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_type_hints

from digest.bidi import isolate
from digest.catalog.slug import tool_slug

MAX_REVIEWERS: Final = 50
NO_VOTES: Final = "no votes yet"


@dataclass(frozen=True)
class FieldRule:
    """What an import accepts in a field, and what the field is called. Values that are already stored are trusted."""

    kind: Literal["line", "passage", "percent", "side", "reviewer"]
    description: str  # for the JSON schema
    label: str = ""  # for people; capitalised
    max_chars: int | None = None


@dataclass(frozen=True, kw_only=True)
class ToolReview:
    """What the panel and the community say of one tool."""

    tool: Annotated[str, FieldRule("line", "The tool's name.", "Tool", 200)]
    tagline: Annotated[str, FieldRule("line", "One line about it.", "Tagline", 1000)]
    category: Annotated[str, FieldRule("line", "For example Developer Tools.", "Category", 120)]
    panel_ship: Annotated[
        int, FieldRule("percent", "The share of the panel that says ship, in percent.", "Panel ship")
    ]
    community_ship: Annotated[
        int | None,
        FieldRule(
            "percent", "The community's share, in percent; null while there are no votes.", "Community ship"
        ),
    ] = None
    entry_price: Annotated[
        str, FieldRule("line", "The cheapest price, as text: Free, $20/mo.", "Entry price", 120)
    ]
    description: Annotated[
        str,
        FieldRule("passage", "One or more paragraphs. Blank lines are removed.", "Description", 20_000),
    ]

    @property
    def tool_slug(self) -> str:
        """The tool's slug: two spellings with one slug are the same tool."""
        return tool_slug(self.tool)

    def display(self, name: str) -> str:
        """The field `name` as a person reads it: "75%", "no votes yet", or the text."""
        value = getattr(self, name)
        if FIELD_RULES[name].kind == "percent":
            return NO_VOTES if value is None else f"{value}%"
        return "" if value is None else str(value)

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, in the order of the public JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ReviewerQuote:
    """What one reviewer says of one side."""

    side: Annotated[str, FieldRule("side", "Which tool it is about.")]  # left or right
    reviewer: Annotated[int, FieldRule("reviewer", "The reviewer's row on the scorecard, from 1.")]
    text: Annotated[str, FieldRule("passage", "Without quotation marks around it.", "Quote", 20_000)]


@dataclass(frozen=True)
class ComparisonView:
    """One version of a comparison, with everything it says. Quotes by reviewer, left before right."""

    id: int
    version_id: int
    version: int
    slug: str
    left: ToolReview
    right: ToolReview
    quotes: tuple[ReviewerQuote, ...]
    published_at: datetime
    added_at: datetime  # of the comparison's first version
    source: str

    @property
    def title(self) -> str:
        """Its name: `comparison_title` of its tools."""
        return comparison_title(self.left.tool, self.right.tool)


def comparison_title(left: str, right: str) -> str:
    """The name of a comparison of two tools, as every page, mail and feed shows it: "SmolLM3 vs Mistral-Next".

    A name in a right-to-left script is isolated, so that the left tool stays on the left.
    """
    return f"{isolate(left)} vs {isolate(right)}"


def field_rules(value_class: type) -> dict[str, FieldRule]:
    """The rule of each field of `ToolReview` or `ReviewerQuote`, in their order."""
    hints = get_type_hints(value_class, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in fields(value_class)}


FIELD_RULES: Final = field_rules(ToolReview)
REVIEW_FIELDS: Final = tuple(name for name in FIELD_RULES if name != "tool")  # those that a review stores

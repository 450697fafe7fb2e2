"""A comparison as it comes in, before it is in the database. It is also the JSON form, and gives its schema."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)
from pydantic import ValidationError as Invalid

from digest.catalog import clean
from digest.catalog.slug import comparison_slug, tool_slug
from digest.errors import BadInput

MAX_REVIEWERS = 50
SHOWN_CHARS = 60  # of a wrong value, in an error


def moment(value: Any) -> Any:
    """An aware UTC time from a date (its midnight, UTC) or an ISO 8601 time with a zone, as text.

    What is no text comes back untouched. Raises ValueError with a sentence for a person.
    """
    if not isinstance(value, str):
        return value
    try:
        if len(value) == len("2026-12-01"):
            return datetime.combine(date.fromisoformat(value), time(tzinfo=UTC))
        read = datetime.fromisoformat(value)
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("write a date (2026-12-01) or a time with its zone (2026-12-01T09:00:00+01:00)")


Percent = Annotated[int, Field(ge=0, le=100)]
Moment = Annotated[
    datetime,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
Passage = Annotated[
    str, StringConstraints(min_length=1, max_length=20_000), BeforeValidator(clean.passage), Field()
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), BeforeValidator(clean.line)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=120), BeforeValidator(clean.line)]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=1000), BeforeValidator(clean.line)]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Side(_Form):
    """What the panel and the community say of one tool."""

    tool: Name = Field(description="The tool's name.")
    tagline: Sentence = Field(description="One line about it.")
    category: Short = Field(description="Such as Developer Tools.")
    panel_ship: Percent = Field(description="How much of the panel says ship, in percent.")
    community_ship: Percent | None = Field(
        default=None, description="The same of the community; null means that there are no votes yet."
    )
    entry_price: Short = Field(description="What the cheapest way in costs, as text: Free, $20/mo.")
    description: Passage = Field(description="A paragraph or a few; lines are kept, blank ones are not.")


class Quote(_Form):
    """What one reviewer says of one side."""

    side: Literal["left", "right"]
    reviewer: Annotated[int, Field(ge=1, le=MAX_REVIEWERS)] = Field(
        description="The reviewer's place on the scorecard, from 1."
    )
    text: Passage = Field(description="Without quotation marks around it.")


class Draft(_Form):
    """Two tools side by side, and what each reviewer says of each."""

    model_config = ConfigDict(title="Comparison")

    slug: str | None = Field(
        default=None, exclude=True, description="Printed by `digest comparisons list --json`; not read."
    )
    version: int | None = Field(default=None, exclude=True, description="Likewise printed and not read.")
    published_at: Moment | None = Field(
        default=None, description="Its date; without one, the time of the import."
    )
    source: Sentence | None = Field(
        default=None, description="Where it is from; without it, the file's name."
    )
    left: Side
    right: Side
    quotes: tuple[Quote, ...] = Field(
        min_length=2, max_length=2 * MAX_REVIEWERS, description="One per reviewer and side, in any order."
    )

    @model_validator(mode="after")
    def _two_tools(self) -> Self:
        if tool_slug(self.left.tool) == tool_slug(self.right.tool):
            raise ValueError(f"both sides are {self.left.tool}; a comparison needs two tools")
        return self

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        said = [(quote.reviewer, quote.side) for quote in self.quotes]
        for reviewer in range(1, len(said) // 2 + len(said) % 2 + 1):
            for side in ("left", "right"):
                if (times := said.count((reviewer, side))) != 1:
                    raise ValueError(
                        f"reviewer {reviewer} has {times or 'no'} quotes on the {side}; each reviewer, "
                        "counted from 1 without gaps, has one quote per side"
                    )
        return self

    @property
    def identity(self) -> str:
        """The slug under which it stands: the same two tools in the same order are the same comparison."""
        return comparison_slug(tool_slug(self.left.tool), tool_slug(self.right.tool))

    def in_order(self) -> list[Quote]:
        """The quotes by reviewer, left before right."""
        return sorted(self.quotes, key=lambda quote: (quote.reviewer, quote.side))


def review_fingerprint(side: Side) -> str:
    """One value for all that a review says; another spelling of the tool's name makes no other review."""
    return _hash([tool_slug(side.tool), side.model_dump(exclude={"tool"})])


def version_fingerprint(draft: Draft) -> str:
    """One value for all that a comparison says; where it is from and its date are no part of it."""
    sides = [review_fingerprint(draft.left), review_fingerprint(draft.right)]
    return _hash([sides, [[quote.reviewer, quote.side, quote.text] for quote in draft.in_order()]])


def _hash(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


_ONE = TypeAdapter(Draft)
_MANY = TypeAdapter(list[Draft])


def from_json(data: str, name: str) -> list[Draft]:
    """The comparisons in the JSON text `data`: one or a list. Raises BadInput naming file and JSON path."""
    many = data.lstrip("\ufeff \t\r\n").startswith("[")
    try:
        if many:
            return _MANY.validate_json(data.lstrip("\ufeff"))
        return [_ONE.validate_json(data.lstrip("\ufeff"))]
    except Invalid as error:
        raise BadInput(f"{name}: {told(error)}") from None


def told(error: Invalid) -> str:
    """One line for what pydantic found wrong: JSON path and sentence of the first, and how many more there are."""
    every = error.errors(include_url=False)
    first = every[0]
    more = f" (and {len(every) - 1} more)" if len(every) > 1 else ""
    said = " ".join(first["msg"].removeprefix("Value error, ").split())
    if first["type"] == "json_invalid":
        return said + more
    return f"{path(first['loc'])}: {said}{_got(first)}{more}"


def path(loc: Sequence[str | int]) -> str:
    """A place in a JSON document: $[3].left.panel_ship."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{clean.line(step)}" for step in loc)


def _got(error: Any) -> str:
    if error["type"] == "missing" or isinstance(error["input"], (dict, list, tuple, Draft)):
        return ""
    shown = ascii(error["input"])
    return f", not {shown if len(shown) <= SHOWN_CHARS else shown[: SHOWN_CHARS - 3] + '...'}"


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a file of comparisons; committed as comparison.schema.json."""
    body = TypeAdapter(Draft | list[Draft]).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Comparisons",
        "description": "What `digest comparisons import` takes as JSON: one comparison, or a list of them.",
        **body,
    }

"""A comparison as an import brings it: what JSON may say, checked field by field, and its JSON schema."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Self

import pydantic_core
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)
from pydantic import ValidationError as Invalid

from digest.catalog import clean
from digest.catalog.comparison import MAX_REVIEWERS, ReviewerQuote, ToolReview
from digest.catalog.comparison_input_fields import Checked
from digest.catalog.slug import comparison_slug
from digest.errors import BadInput

MAX_SOURCE_CHARS: Final = 1000
MAX_VALUES: Final = 50_000  # in one file; a megabyte of real comparisons has fewer
MAX_VALUE_CHARS: Final = 60  # of a wrong value in an error
ISO_DATE_CHARS: Final = len("2026-12-01")


def parse_time(value: Any) -> Any:
    """An aware UTC time from a date (its midnight in UTC) or an ISO 8601 time with a zone, given as text.

    Anything that is not text is returned unchanged. Raises ValueError with a sentence for a person.
    """
    if not isinstance(value, str):
        return value
    try:
        if len(value) == ISO_DATE_CHARS:
            return datetime.combine(date.fromisoformat(value), time(tzinfo=UTC))
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("write a date (2026-12-01) or a time with its zone (2026-12-01T09:00:00+01:00)")


Time = Annotated[
    datetime,
    BeforeValidator(parse_time),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
Source = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_SOURCE_CHARS),
    BeforeValidator(clean.single_line),
]


class ComparisonInput(BaseModel):
    """Two tools side by side, and what each reviewer says of each."""

    model_config = ConfigDict(title="Comparison", strict=True, frozen=True, extra="forbid")

    slug: str | None = Field(
        default=None,
        exclude=True,
        description="Printed by `digest comparisons list --json`; ignored on import.",
    )
    version: int | None = Field(
        default=None, exclude=True, description="Also printed, and ignored on import."
    )
    published_at: Time | None = Field(
        default=None, description="The comparison's date; the time of the import by default."
    )
    source: Source | None = Field(
        default=None, description="Where it comes from; the file's name by default."
    )
    left: Annotated[ToolReview, Checked()]
    right: Annotated[ToolReview, Checked()]
    quotes: Annotated[tuple[Annotated[ReviewerQuote, Checked()], ...], FailFast()] = Field(
        min_length=2, max_length=2 * MAX_REVIEWERS, description="One per reviewer and side, in any order."
    )

    @model_validator(mode="after")
    def _two_tools(self) -> Self:
        if self.left.tool_slug == self.right.tool_slug:
            raise ValueError(f"both sides are {self.left.tool}; a comparison needs two different tools")
        return self

    @model_validator(mode="after")
    def _one_quote_per_side(self) -> Self:
        given = [(quote.reviewer, quote.side) for quote in self.quotes]
        for reviewer in range(1, (len(given) + 1) // 2 + 1):
            for side in ("left", "right"):
                if (count := given.count((reviewer, side))) != 1:
                    raise ValueError(
                        f"reviewer {reviewer} has {count or 'no'} quotes on the {side}; reviewers are numbered "
                        "from 1 without gaps, and each has one quote per side"
                    )
        return self

    @property
    def identity(self) -> str:
        """The slug it is stored under: the same two tools in the same order are the same comparison."""
        return comparison_slug(self.left.tool_slug, self.right.tool_slug)

    def ordered_quotes(self) -> list[ReviewerQuote]:
        """The quotes by reviewer, left before right."""
        return sorted(self.quotes, key=lambda quote: (quote.reviewer, quote.side))


def review_fingerprint(review: ToolReview) -> str:
    """A hash of everything a review says. Another spelling of the tool's name does not make another review."""
    said = review.as_dict()
    del said["tool"]
    return _hash([review.tool_slug, said])


def version_fingerprint(comparison: ComparisonInput) -> str:
    """A hash of everything a comparison says, without its source and date."""
    sides = [review_fingerprint(comparison.left), review_fingerprint(comparison.right)]
    quotes = [[quote.reviewer, quote.side, quote.text] for quote in comparison.ordered_quotes()]
    return _hash([sides, quotes])


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


_ONE = TypeAdapter(ComparisonInput)
# A list is checked up to its first bad comparison: an error for each of many costs a thousand times their bytes.
_MANY = TypeAdapter(Annotated[list[ComparisonInput], FailFast()])


def from_json(data: str, name: str) -> list[ComparisonInput]:
    """The comparisons in the JSON text `data`: one or a list. Raises BadInput naming the file and the JSON path."""
    text = data.lstrip("\ufeff")
    try:
        if _has_more_values(text, MAX_VALUES):
            raise BadInput(f"{name}: more than {MAX_VALUES:,} values; split it into several files")
        return (
            _MANY.validate_json(text)
            if text.lstrip(" \t\r\n\ufeff").startswith("[")
            else [_ONE.validate_json(text)]
        )
    except Invalid as error:
        raise BadInput(f"{name}: {describe_error(error)}") from None


def _has_more_values(text: str, limit: int) -> bool:
    """Whether the JSON has more than `limit` objects, lists, texts and numbers. False for what is not JSON at all."""
    try:
        waiting = [pydantic_core.from_json(text)]
    except ValueError:
        return False
    count = 0
    while waiting and count <= limit:
        value = waiting.pop()
        count += 1
        if isinstance(value, (dict, list)):
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return count > limit


def describe_error(error: Invalid) -> str:
    """One line for what pydantic found wrong: JSON path and message of the first error, and the number of others."""
    errors = error.errors(include_url=False)
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    message = " ".join(first["msg"].removeprefix("Value error, ").split())
    if first["type"] == "json_invalid":
        return message + more
    return f"{json_path(first['loc'])}: {message}{_given_value(first)}{more}"


def json_path(loc: Sequence[str | int]) -> str:
    """A place in a JSON document: $[3].left.panel_ship."""
    return "$" + "".join(
        f"[{step}]" if isinstance(step, int) else f".{clean.single_line(step)}" for step in loc
    )


def _given_value(error: Any) -> str:
    if error["type"] == "missing" or isinstance(error["input"], (dict, list, tuple, ComparisonInput)):
        return ""
    value = ascii(error["input"])
    return f", not {value if len(value) <= MAX_VALUE_CHARS else value[: MAX_VALUE_CHARS - 3] + '...'}"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a file of comparisons; committed as comparison.schema.json."""
    body = TypeAdapter(ComparisonInput | list[ComparisonInput]).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Comparisons",
        "description": "What `digest comparisons import` accepts as JSON: one comparison, or a list of them.",
        **body,
    }

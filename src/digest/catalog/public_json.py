"""A comparison under its public names, ready for JSON. An import reads it back."""

from typing import Any

from digest.catalog.comparison import ComparisonView


def comparison_json(view: ComparisonView) -> dict[str, Any]:
    """Everything a comparison says, ready for json.dumps. Times are ISO 8601 in UTC."""
    return {
        "slug": view.slug,
        "version": view.version,
        "published_at": view.published_at.isoformat(),
        "source": view.source or None,
        "left": view.left.as_dict(),
        "right": view.right.as_dict(),
        "quotes": [vars(quote) for quote in view.quotes],
    }

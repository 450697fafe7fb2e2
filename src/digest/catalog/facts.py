"""A comparison as plain values under their public names, for JSON; an import takes it back."""

from typing import Any

from digest.catalog.read import ComparisonView, ReviewView


def facts(view: ComparisonView) -> dict[str, Any]:
    """What a comparison says, ready for json.dumps; times are ISO 8601 in UTC."""
    return {
        "slug": view.slug,
        "version": view.version,
        "published_at": view.published_at.isoformat(),
        "source": view.source or None,
        "left": review_facts(view.left),
        "right": review_facts(view.right),
        "quotes": [{"side": said.side, "reviewer": said.place, "text": said.text} for said in view.quotes],
    }


def review_facts(review: ReviewView) -> dict[str, Any]:
    """What one review says; `community_ship` is None when there are no votes yet."""
    return {
        "tool": review.tool,
        "tagline": review.tagline,
        "category": review.category,
        "panel_ship": review.panel_ship,
        "community_ship": review.community_ship,
        "entry_price": review.entry_price,
        "description": review.description,
    }

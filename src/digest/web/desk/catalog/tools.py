"""One tool: what the panel and the community said about it over time."""

from digest.catalog import tool_history
from digest.web.desk import current_publication
from digest.web.desk.catalog import blueprint
from digest.web.desk.charts import SLOT, percentages
from digest.web.desk.view_helpers import render_page, services


@blueprint.get("/tools/<slug>")
def tool(slug: str) -> str:
    """Every review of a tool as a curve, and as a list with its comparisons."""
    with services().db.read() as db:
        reviews = tool_history.list_tool_reviews(db, slug)
        panel = [item.review.panel_ship for item in reviews]
        community = [item.review.community_ship for item in reviews]
        return render_page(
            "tool.html",
            name=reviews[-1].review.tool,
            reviews=reviews,
            curves=[percentages("c-panel", panel), percentages("c-community", community)],
            width=len(reviews) * SLOT,
            summary=_describe(panel, community),
            zone=current_publication.get(db).zone,
        )


def _describe(panel: list[int], community: list[int | None]) -> str:
    votes = [vote for vote in community if vote is not None]
    community_text = (
        f"the community from {votes[0]} to {votes[-1]}" if votes else "the community has no votes yet"
    )
    return (
        f"Ship percent over {len(panel)} reviews: the panel from {panel[0]} to {panel[-1]}, {community_text}"
    )

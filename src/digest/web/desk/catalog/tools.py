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
        panel = [one.review.panel_ship for one in reviews]
        community = [one.review.community_ship for one in reviews]
        return render_page(
            "tool.html",
            name=reviews[-1].review.tool,
            reviews=reviews,
            curves=[percentages("c-panel", panel), percentages("c-community", community)],
            width=len(reviews) * SLOT,
            words=_describe(panel, community),
            zone=current_publication.get(db).zone,
        )


def _describe(panel: list[int], community: list[int | None]) -> str:
    voted = [vote for vote in community if vote is not None]
    crowd = f"the community from {voted[0]} to {voted[-1]}" if voted else "the community has no votes yet"
    return f"Ship percent over {len(panel)} reviews: the panel from {panel[0]} to {panel[-1]}, {crowd}"

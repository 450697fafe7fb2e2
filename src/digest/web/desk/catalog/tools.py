"""One tool: what the panel and the community said of it over time."""

from digest.catalog import history
from digest.web.desk import current_publication
from digest.web.desk.catalog import blueprint
from digest.web.desk.charts import SLOT, percentages
from digest.web.desk.view_helpers import page, services


@blueprint.get("/tools/<slug>")
def tool(slug: str) -> str:
    """Every review of a tool as a curve, and each of them with its comparisons."""
    with services().db.read() as db:
        reviews = history.of_tool(db, slug)
        panel = [one.review.panel_ship for one in reviews]
        community = [one.review.community_ship for one in reviews]
        return page(
            "tool.html",
            name=reviews[-1].review.tool,
            reviews=reviews,
            curves=[percentages("c-panel", panel), percentages("c-community", community)],
            width=len(reviews) * SLOT,
            words=_words(panel, community),
            zone=current_publication.chosen(db).zone,
        )


def _words(panel: list[int], community: list[int | None]) -> str:
    voted = [vote for vote in community if vote is not None]
    crowd = f"the community from {voted[0]} to {voted[-1]}" if voted else "the community has no votes yet"
    return f"Ship percent over {len(panel)} reviews: the panel from {panel[0]} to {panel[-1]}, {crowd}"

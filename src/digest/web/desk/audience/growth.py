"""Audience growth: a year week by week, sign-ups and confirmations, and the counts by status."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from digest.audience import growth, status_counts
from digest.audience.growth import Week
from digest.db import utcnow
from digest.publications.models import Publication
from digest.web.desk import current_publication
from digest.web.desk.audience import blueprint
from digest.web.desk.auth import blueprint as desk
from digest.web.desk.charts import Chart, columns, mirrored
from digest.web.desk.view_helpers import render_page, services

WEEKS_OF_YEAR: Final = 52
RECENT_WEEKS: Final = 12  # on the front page


@dataclass(frozen=True)
class Growth:
    """Some weeks of an audience as charts, with totals."""

    weeks: list[Week]
    sums: dict[str, int]
    joined_and_lost: Chart
    sign_ups: Chart

    @property
    def confirmed_share(self) -> int | None:
        """How many percent of those who asked have confirmed; None when nobody asked."""
        asked = self.sums["requested"]
        return min(100, round(100 * self.sums["confirmed"] / asked)) if asked else None


@blueprint.get("/audience", endpoint="growth")
def growth_page() -> str:
    """A year of growth."""
    now = utcnow()
    with services().db.read() as db:
        publication = current_publication.get(db)
        return render_page(
            "audience_growth.html",
            zone=publication.zone,
            growth=measure_growth(db, publication, now, WEEKS_OF_YEAR),
            status=status_counts.count(db, publication.id, now),
        )


def measure_growth(db: Session, publication: Publication, now: datetime, weeks: int) -> Growth:
    """The last `weeks` weeks including the current one, each from Monday in UTC."""
    monday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
    found = growth.by_week(db, publication.id, monday - (weeks - 1) * growth.WEEK, weeks)
    sums = {kind.value: sum(week[kind] for week in found) for kind in growth.KINDS}
    series = {name: [week[name] for week in found] for name in sums}
    return Growth(
        found,
        sums,
        mirrored(
            ("c-confirmed", series["confirmed"]),
            (("c-unsubscribed", series["unsubscribed"]), ("c-suppressed", series["suppressed"])),
            f"Readers per week, {weeks} weeks: {sums['confirmed']:,} confirmed, {sums['unsubscribed']:,} unsubscribed, "
            f"{sums['suppressed']:,} suppressed",
        ),
        columns(
            (("c-raw", series["requested"]), ("c-confirmed", series["confirmed"])),
            f"Sign-ups per week: {sums['requested']:,} signed up, {sums['confirmed']:,} confirmed",
        ),
    )


@desk.context_processor
def recent_growth_context() -> dict[str, Any]:
    """For the desk's front page: `{% include "desk/recent_growth.html" %}` loads its own numbers when rendered."""

    def recent() -> Growth:
        with services().db.read() as db:
            return measure_growth(db, current_publication.get(db), utcnow(), RECENT_WEEKS)

    return {"recent_growth": recent}

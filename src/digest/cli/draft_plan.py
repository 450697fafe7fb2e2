"""`digest issues draft --dry-run`: what drafting would do now."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.catalog.models import Comparison
from digest.cli.issue_output import print_output
from digest.editorial import issues
from digest.editorial.drafts.regeneration import DraftPlan, plan_draft
from digest.publications import publications
from digest.services import Services


def show(services: Services, slug: str | None, *, as_json: bool) -> None:
    """Print which comparisons would be picked, and what that adds to, removes from and updates in the open draft."""
    with services.db.read() as session:
        publication = publications.find(session, slug)
        issue = issues.find_open_draft(session, publication.id)
        facts = {"issue": issue.number if issue else None} | _facts(
            session, plan_draft(session, publication, issue)
        )
    print_output(facts, _format(facts), as_json)


def _facts(session: Session, plan: DraftPlan) -> dict[str, Any]:
    leaving = [*(entry.pick for entry in plan.removed), *plan.updated]
    slugs = dict(
        session.execute(
            select(Comparison.id, Comparison.slug).where(
                Comparison.id.in_([pick.comparison_id for pick in leaving])
            )
        ).all()
    )
    return {
        "picks": [
            {"comparison": chosen.candidate.slug, "position": position, "why": chosen.reason}
            for position, chosen in enumerate(plan.selection.picks, start=1)
        ],
        "added": [entry.selected.candidate.slug for entry in plan.added],
        "removed": [
            {"comparison": slugs[entry.pick.comparison_id], "why_not": entry.reason} for entry in plan.removed
        ],
        "updated": [slugs[pick.comparison_id] for pick in plan.updated],
    }


def _format(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"Draft of issue {facts['issue']}" if facts["issue"] else "New issue"
    for pick in facts["picks"]:
        mark = (
            "+"
            if pick["comparison"] in facts["added"]
            else "*"
            if pick["comparison"] in facts["updated"]
            else " "
        )
        yield f"{mark} {pick['position']}. {pick['comparison']}"
        yield f"     {pick['why']}"
    for removed in facts["removed"]:
        yield f"-    {removed['comparison']}: {removed['why_not']}"
    if not (facts["added"] or facts["removed"] or facts["updated"]):
        yield "Nothing would change."
    yield "+ added, - removed, * newer version. Nothing was changed."

"""The desk's front page: open issues, the next step, and past issues with their outcomes."""

from flask import g, request
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.audience import eligibility
from digest.catalog import queries
from digest.db import utcnow
from digest.delivery.ledger.counts import count_outcomes
from digest.editorial.calendar import slots
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, State
from digest.publications.models import Publication
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.issues import blueprint, outcome_bar
from digest.web.desk.issues.next_step import next_step
from digest.web.desk.view_helpers import flash_done, redirect_to, render_page, services
from digest.web.guards import parse_row_number

PAST_PER_PAGE = 12  # a quarter of a year
PAST_STATES = (State.SENT, State.CANCELLED)


@blueprint.get("/")
def overview() -> str:
    """The front page."""
    now = utcnow()
    with services().db.read() as db:
        publication = current_publication.get(db)
        past = _past_issues(db, publication, request.args.get("before", type=parse_row_number))
        open_issues = _open_issues(db, publication)
        return render_page(
            "overview.html",
            publication=publication,
            zone=publication.zone,
            open_issues=open_issues,
            views=queries.fetch_by_version(
                db, {pick.version_id for issue in open_issues for pick in issue.picks}
            ),
            past=[(issue, *_outcomes_of(db, issue)) for issue in past],
            older=past[-1].number if len(past) == PAST_PER_PAGE else None,
            next_send_at=slots.next_slot(db, publication, now).send_at,
            next_draft_at=slots.next_cutoff(db, publication, now),
            draft_due=drafting.find_due_slot_date(db, publication, now),
            next_step=next_step(db, publication, open_issues, now),
            readers=eligibility.count(db, publication.id, now).reachable,
            comparisons=queries.count_comparisons(db),
        )


@blueprint.post("/")
def create_draft() -> Response:
    """Draft an issue now instead of at its cutoff."""
    with services().db.begin() as db:
        issue = drafting.draft_issue(db, current_publication.get(db), utcnow(), actor="desk", user_id=g.me.id)
        number = issue.number
        record(db, Verb.DRAFT, "issue", number)
    flash_done(f"Issue {number} drafted.")
    return redirect_to("issues.show", number=number)


def _open_issues(db: Session, publication: Publication) -> list[Issue]:
    rows = select(Issue).where(Issue.publication_id == publication.id, Issue.state.not_in(PAST_STATES))
    rows = rows.options(selectinload(Issue.picks)).order_by(Issue.number)
    found = list(db.scalars(rows))
    order = (State.SENDING, State.PAUSED, State.SCHEDULED, State.DRAFT)
    return sorted(found, key=lambda issue: order.index(State(issue.state)))


def _past_issues(db: Session, publication: Publication, before: int | None) -> list[Issue]:
    rows = select(Issue).where(Issue.publication_id == publication.id, Issue.state.in_(PAST_STATES))
    if before is not None:
        rows = rows.where(Issue.number < before)
    return list(db.scalars(rows.order_by(Issue.number.desc()).limit(PAST_PER_PAGE)))


def _outcomes_of(db: Session, issue: Issue) -> tuple[object, list[outcome_bar.Segment], str]:
    found = count_outcomes(db, issue.id)
    return found, outcome_bar.build_segments(found), outcome_bar.describe(found)

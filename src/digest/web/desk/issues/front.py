"""The front page of the desk: what is open, what goes out next, and what became of the past issues."""

from flask import g, request
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload
from werkzeug.wrappers import Response

from digest.audience import reach
from digest.catalog import read
from digest.db import utcnow
from digest.delivery.ledger.counts import counts
from digest.editorial.calendar import slots
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, State
from digest.publications.models import Publication
from digest.web.desk import current_publication
from digest.web.desk.issues import blueprint, outcomes
from digest.web.desk.issues.next_step import next_step
from digest.web.desk.view_helpers import page, say, services, to
from digest.web.guards import whole

PAST_AT_ONCE = 12  # a quarter of a year
PAST = (State.SENT, State.CANCELLED)


@blueprint.get("/")
def front() -> str:
    """The calendar at a glance."""
    now = utcnow()
    with services().db.read() as db:
        publication = current_publication.chosen(db)
        past = _past(db, publication, request.args.get("before", type=whole))
        open_issues = _open(db, publication)
        return page(
            "front.html",
            publication=publication,
            zone=publication.zone,
            open_issues=open_issues,
            views=read.by_version(db, {pick.version_id for issue in open_issues for pick in issue.picks}),
            past=[(issue, *_outcome(db, issue)) for issue in past],
            older=past[-1].number if len(past) == PAST_AT_ONCE else None,
            next_run=slots.next_planned(db, publication, now).run,
            draft_comes=slots.next_cut_off(db, publication, now),
            draft_due=drafting.occasion_due(db, publication, now),
            next_step=next_step(db, publication, open_issues, now),
            readers=reach.count(db, publication.id, now).reachable,
            comparisons=read.count(db),
        )


@blueprint.post("/")
def draft_now() -> Response:
    """Draft an issue now, without waiting for the calendar."""
    with services().db.begin() as db:
        issue = drafting.draft(db, current_publication.chosen(db), utcnow(), by="desk", user_id=g.me.id)
        number = issue.number
    say(f"Issue {number} is drafted.")
    return to("drafts.issue", number=number)


def _open(db: Session, publication: Publication) -> list[Issue]:
    rows = select(Issue).where(Issue.publication_id == publication.id, Issue.state.not_in(PAST))
    rows = rows.options(selectinload(Issue.picks)).order_by(Issue.number)
    found = list(db.scalars(rows))
    order = (State.SENDING, State.PAUSED, State.SCHEDULED, State.DRAFT)
    return sorted(found, key=lambda issue: order.index(State(issue.state)))


def _past(db: Session, publication: Publication, before: int | None) -> list[Issue]:
    rows = select(Issue).where(Issue.publication_id == publication.id, Issue.state.in_(PAST))
    if before is not None:
        rows = rows.where(Issue.number < before)
    return list(db.scalars(rows.order_by(Issue.number.desc()).limit(PAST_AT_ONCE)))


def _outcome(db: Session, issue: Issue) -> tuple[object, list[outcomes.Part], str]:
    found = counts(db, issue.id)
    return found, outcomes.parts(found), outcomes.sentence(found)

"""The second person: one asks, another looks and releases."""

from flask import g
from sqlalchemy.orm import Session, object_session
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery.letters import reminders
from digest.editorial.calendar import approvals, slots
from digest.editorial.models import Issue
from digest.errors import BadInput
from digest.web.desk import current_publication
from digest.web.desk.issues import blueprint
from digest.web.desk.view_helpers import field, say, services, to
from digest.web.guards import whole


@blueprint.app_context_processor
def facts() -> dict[str, object]:
    """For the panel of any page that shows an issue: its deadline, and how it stands with its second person."""
    return {"standing_of": standing_of, "day_of": day_of}


def standing_of(issue: Issue) -> approvals.Standing | None:
    """How an issue stands; None where one person is enough."""
    session = object_session(issue)
    return approvals.standing(session, issue) if session is not None else None


def day_of(issue: Issue) -> slots.Occasion | None:
    """The coming regular day that a draft is for; None when that is past, skipped or not known."""
    session = object_session(issue)
    day = slots.of_issue(session, issue) if session is not None else None
    return day if day is not None and day.run > utcnow() else None


@blueprint.post("/issues/<int:number>/ask")
def ask_release(number: int) -> Response:
    """Ask for it to be released as it stands now, for instance after an edit."""
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        approvals.ask(db, issue, now=utcnow(), by="desk", user_id=g.me.id)
        tell(db, issue)
    services().nudge("letters")
    say(f"The others are asked to release issue {number}.")
    return to("drafts.issue", number=number)


@blueprint.post("/issues/<int:number>/release")
def release(number: int) -> Response:
    """Release it, as the page showed it."""
    try:
        revision = whole(field("revision"))
    except ValueError:
        raise BadInput("the form did not say which state of the issue you saw; open its page again") from None
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        approvals.release(db, issue, revision, now=utcnow(), by="desk", user_id=g.me.id)
    services().nudge("calendar")
    say(f"Issue {number} is released.")
    return to("drafts.issue", number=number)


def tell(db: Session, issue: Issue) -> bool:
    """Write to the others when a second person is wanted; gives whether one is."""
    standing = approvals.standing(db, issue)
    reminders.asked(db, issue, utcnow(), g.me.id)
    return standing is not None and standing.missing

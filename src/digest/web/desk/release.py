"""The second person: one asks, another looks and releases."""

from flask import g
from sqlalchemy.orm import Session, object_session
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery import nudges
from digest.editorial import occasions, releases
from digest.editorial.models import Issue
from digest.errors import BadInput
from digest.web.desk import chosen
from digest.web.desk.frame import field, say, services, to
from digest.web.desk.gate import blueprint
from digest.web.guards import whole


@blueprint.app_context_processor
def facts() -> dict[str, object]:
    """For the panel of any page that shows an issue: its deadline, and how it stands with its second person."""
    return {"standing_of": standing_of, "day_of": day_of}


def standing_of(issue: Issue) -> releases.Standing | None:
    """How an issue stands; None where one person is enough."""
    session = object_session(issue)
    return releases.standing(session, issue) if session is not None else None


def day_of(issue: Issue) -> occasions.Occasion | None:
    """The coming regular day that a draft is for; None when that is past, skipped or not known."""
    session = object_session(issue)
    day = occasions.of_issue(session, issue) if session is not None else None
    return day if day is not None and day.run > utcnow() else None


@blueprint.post("/issues/<int:number>/ask")
def ask_release(number: int) -> Response:
    """Ask for it to be released as it stands now, for instance after an edit."""
    with services().db.begin() as db:
        issue = chosen.issue(db, number)
        releases.ask(db, issue, now=utcnow(), by="desk", user_id=g.me.id)
        tell(db, issue)
    services().nudge("letters")
    say(f"The others are asked to release issue {number}.")
    return to("issue", number=number)


@blueprint.post("/issues/<int:number>/release")
def release(number: int) -> Response:
    """Release it, as the page showed it."""
    try:
        revision = whole(field("revision"))
    except ValueError:
        raise BadInput("the form did not say which state of the issue you saw; open its page again") from None
    with services().db.begin() as db:
        issue = chosen.issue(db, number)
        releases.release(db, issue, revision, now=utcnow(), by="desk", user_id=g.me.id)
    services().nudge("calendar")
    say(f"Issue {number} is released.")
    return to("issue", number=number)


def tell(db: Session, issue: Issue) -> bool:
    """Write to the others when a second person is wanted; gives whether one is."""
    standing = releases.standing(db, issue)
    nudges.asked(db, issue, utcnow(), g.me.id)
    return standing is not None and standing.missing

"""Test mails: to oneself, to all editors, to any address; and what the relay answered."""

from collections.abc import Collection, Sequence
from typing import Final

from flask import g, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, TooManyRequests
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery.letters import test_sends
from digest.delivery.letters.test_sends import Tried
from digest.editorial.models import Issue
from digest.web.desk import current_publication
from digest.web.desk.drafts import blueprint
from digest.web.desk.drafts.preview_audience import eyes
from digest.web.desk.drafts.variants import edition_of
from digest.web.desk.view_helpers import field, page, say, services, to

MOST: Final = "30/hour"  # mails of one user: a desk is no cannon either

last = test_sends.last


@blueprint.get("/issues/<int:number>/tests")
def tests(number: int) -> str:
    """The latest tests alone, for a page that waits for the relay's answer."""
    with services().db.read() as db:
        issue = current_publication.issue(db, number)
        return page("trials.html", issue=issue, zone=issue.publication.zone, trials=last(db, issue))


@blueprint.post("/issues/<int:number>/tests")
def try_it(number: int) -> Response:
    """Send a test through the eyes of the form, to whom its button says."""
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        whom = _whom(db)
        who = eyes(db, issue, edition_of(db, issue, services().base_url))
        send(db, issue, whom, who.wanted)
    services().nudge("letters")
    many = f"{len(whom)} tests are" if len(whom) > 1 else "A test is"
    say(f"{many} on {'their' if len(whom) > 1 else 'its'} way to {', '.join(whom)}.")
    view = {name: field(name) for name in ("as", "light", "images") if field(name)}
    return to("drafts.preview", number=number, **view, **dict(who.query), _anchor="tests")


def send(db: Session, issue: Issue, whom: Sequence[str], wanted: Collection[str] = ()) -> None:
    """Post a test to each. Raises TooManyRequests beyond thirty mails of one user in an hour."""
    here = services()
    for address in whom:
        if not here.limiter.allows(MOST, "test", str(g.me.id)):
            raise TooManyRequests("You sent thirty tests within an hour. Wait a while for the next.")
        facts = {"base_url": here.base_url, "now": utcnow(), "user_id": g.me.id}
        test_sends.send_test(db, issue, address, wanted=wanted, **facts)


def _whom(db: Session) -> Sequence[str]:
    match request.form.get("to", "me"):
        case "me":
            return [g.me.address]
        case "editors":
            return test_sends.editors(db)
        case "address":
            return [field("address")]
    raise BadRequest("This button is not one of ours.")


__all__ = ["Tried", "last", "send"]

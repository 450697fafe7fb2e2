"""The checks beside a draft: what blocks, what waits for a word, what workers have still to look at."""

from collections.abc import Mapping
from typing import Any, Final

from flask import current_app, g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.delivery.ledger.compiled_issue import pressed
from digest.editorial import editions
from digest.editorial.checks import external_check_queue, report, waivers
from digest.editorial.checks.external_check_queue import Outside
from digest.editorial.checks.report import Findings
from digest.editorial.models import Issue
from digest.errors import NotAllowed
from digest.web.desk import current_publication
from digest.web.desk.auth import asks_by_itself
from digest.web.desk.drafts import blueprint
from digest.web.desk.view_helpers import Undo, field, is_live, page, say, services, to
from digest.web.guards import whole

KINDS: Final = {"link": "Links", "sender": "Sender", "spam": "Spam filter"}
BACK: Final = {"issue": "checks", "schedule": "checks"}  # the pages that hold the checks, and where
AGAIN_AT_MOST: Final = "12/minute"


def look_over(db: Session, issue: Issue) -> Findings:
    """Press the issue and run every check on it."""
    here = services()
    return report.look_over(
        db,
        issue,
        base_url=here.base_url,
        pressed=lambda: pressed(db, issue, here.base_url),
        now=utcnow(),
        outside=_outside(),
    )


@blueprint.get("/issues/<int:number>/checks")
@asks_by_itself
def checks(number: int) -> str:
    """The checks alone, for the page that is open, as they stand now."""
    with services().db.read() as db:
        return _part(db, current_publication.issue(db, number))


@blueprint.post("/issues/<int:number>/checks")
def judge(number: int) -> Response | str:
    """Let findings pass, take that back, or have workers look again."""
    act = {"waive": _waive, "withdraw": _withdraw, "again": _again}.get(field("do") or field("undo"))
    if act is None:
        raise BadRequest("This button is not one of ours.")
    with services().db.begin() as db:
        act(db, current_publication.issue(db, number))
    services().nudge("checks")
    if is_live():
        with services().db.read() as db:
            return _part(db, current_publication.issue(db, number))
    back = field("back") if field("back") in BACK else "issue"
    return to(back, number=number, _anchor=BACK[back])


def waive_all(db: Session, issue: Issue, found: Findings) -> Findings:
    """Let pass what the form names, for the reason that it gives; the findings as they then stand."""
    if not found.chosen(_named()) or not field("reason"):
        return found
    waivers.waive(db, issue, found.chosen(_named()), reason=field("reason"), now=utcnow(), user_id=g.me.id)
    return look_over(db, issue)


@blueprint.app_context_processor
def helpers() -> dict[str, Any]:
    """For the templates that show checks."""
    return {"mend_url": mend_url, "look_kinds": KINDS}


def mend_url(issue: Issue, place: str) -> str:
    """Where a finding is mended: a field of the draft, or the publication's own page; empty when nowhere here."""
    if place == "publication":
        known = next(
            (name for name in ("desk.settings.settings", "desk.publication") if _is_page(name)), None
        )
        return url_for(known) if known else ""
    return url_for("desk.drafts.issue", number=issue.number, _anchor=place) if place else ""


def _is_page(endpoint: str) -> bool:
    rules = current_app.url_map.iter_rules(endpoint) if endpoint in current_app.view_functions else ()
    return any("GET" in (rule.methods or ()) and not rule.arguments for rule in rules)


def _part(db: Session, issue: Issue) -> str:
    facts: Mapping[str, Any] = {
        "issue": issue,
        "zone": issue.publication.zone,
        "checks": look_over(db, issue),
    }
    return page("checks.html", swap=True, part=True, **facts)


def _waive(db: Session, issue: Issue) -> None:
    named = look_over(db, issue).chosen(_named())
    if not named:
        raise NotAllowed("what you let pass changed meanwhile, or is mended; look at it as it stands now")
    made = waivers.waive(db, issue, named, reason=field("reason"), now=utcnow(), user_id=g.me.id)
    ids = {"undo": "withdraw", "waiver": " ".join(str(row.id) for row in made)}
    say("You let it pass. The history says so.", Undo(url_for("desk.drafts.judge", number=issue.number), ids))


def _withdraw(db: Session, issue: Issue) -> None:
    try:
        numbers = [whole(one) for one in field("waiver").split()]
    except ValueError:
        raise BadRequest("This is not the number of a waiver.") from None
    waivers.withdraw(db, issue, numbers, now=utcnow(), user_id=g.me.id)
    say("It asks for a word again.")


def _again(db: Session, issue: Issue) -> None:
    here = services()
    if not here.limiter.allows(AGAIN_AT_MOST, "checks", str(g.me.id)):
        raise NotAllowed("workers were asked to look again very often; give them a minute")
    wanted = external_check_queue.wanted(issue, editions.edition(db, issue, here.base_url), _outside())
    external_check_queue.again(db, wanted, utcnow())
    say("Links, sender and spam score are looked at again.")


def _outside() -> Outside:
    here = services()
    return Outside(here.relay.host, here.dkim_selectors)


def _named() -> list[str]:
    return request.form.getlist("finding")

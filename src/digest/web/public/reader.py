"""The reader's own pages, by signed links: confirm, preferences, leave. GET shows, POST acts, nobody signs in."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from digest.audience import confirm as confirming
from digest.audience import leave as leaving
from digest.audience import preferences as choices
from digest.audience import tokens, topics
from digest.audience.tokens import Reader
from digest.catalog import topics as catalog_topics
from digest.db import utcnow
from digest.delivery.letters import delivery
from digest.editorial.calendar import slots
from digest.errors import BadInput
from digest.publications.models import Publication
from digest.tracking import unsubscribes
from digest.web import request_limits
from digest.web.guards import token_is_the_guard
from digest.web.public import archive, consent_texts
from digest.web.publication_context import Paper, paper, private, services

PAUSES: Final = {"2": "2 weeks", "4": "4 weeks", "8": "8 weeks"}

blueprint = Blueprint("reader", __name__)


@blueprint.get("/confirm/<token>")
def confirm(token: str) -> Response:
    """Show what is agreed to, with one button."""
    made, now = services(), utcnow()
    who = tokens.read_confirm(made.signer, token, now)
    with made.db.read() as session:
        found = paper(session, who.publication_id)
        if not who.subscriber_id:
            return private("test_link.html", paper=found)
        confirming.check(session, who.publication_id, who.subscriber_id)
        stands = choices.read(session, who.publication_id, who.subscriber_id, now)
        return private("confirm.html", paper=found, stands=stands, wording=consent_texts.confirm(found.name))


@blueprint.post("/confirm/<token>")
@token_is_the_guard
def confirm_now(token: str) -> Response:
    """Make the sign-up active; the first time a welcome letter is posted with it."""
    made, now = services(), utcnow()
    who = tokens.read_confirm(made.signer, token, now)
    with made.db.begin() as session:
        found = paper(session, who.publication_id)
        if not who.subscriber_id:
            return private("test_link.html", paper=found)
        first = confirming.confirm(
            session,
            who.publication_id,
            who.subscriber_id,
            wording=consent_texts.confirm(found.name),
            network=request_limits.visitor(),
            agent=request.user_agent.string,
            now=now,
        ).first
        if first:
            _post_welcome(session, who, found, now)
    if first:
        made.nudge("letters")
    return _welcome(who, found)


@blueprint.get("/preferences/<token>")
def preferences(token: str) -> Response:
    """Show how the reader stands, and what can be changed."""
    who = tokens.read_preferences(services().signer, token)
    with services().db.read() as session:
        return _preferences(session, who)


@blueprint.post("/preferences/<token>")
@token_is_the_guard
def change_preferences(token: str) -> Response:
    """Pause, resume, choose topics, leave, or come back."""
    who = tokens.read_preferences(services().signer, token)
    with services().db.begin() as session:
        done = _act(session, who, request.form.get("action", "")) if who.subscriber_id else ""
        return _preferences(session, who, done)


@blueprint.get("/unsubscribe/<token>")
def unsubscribe(token: str) -> Response:
    """Show one button to leave, and beside it the gentler ways. Mail scanners come here too: nothing changes."""
    who = tokens.read_unsubscribe(services().signer, token)
    with services().db.read() as session:
        return _unsubscribe(session, who)


@blueprint.post("/unsubscribe/<token>")
@token_is_the_guard
def unsubscribe_now(token: str) -> Response:
    """Leave: by the page's button, or by the mail program's own (RFC 8058, 3.2): no cookie, no question, 200.

    A POST without a button of ours is a program's, however it spells its body.
    """
    who = tokens.read_unsubscribe(services().signer, token)
    if "action" not in request.form or request.form.get("List-Unsubscribe") == "One-Click":
        with services().db.begin() as session:
            _leave(session, who, "header")
        return Response("You will get no more issues.\n", mimetype="text/plain")
    with services().db.begin() as session:
        done = _act(session, who, request.form["action"]) if who.subscriber_id else ""
        return _unsubscribe(session, who, done)


def _act(session: Session, who: Reader, action: str) -> str:
    """Do what a button says; gives back its name. Raises BadInput for a button that there is not."""
    now, to = utcnow(), (who.publication_id, who.subscriber_id)
    if action == "leave":
        _leave(session, who, "page")
    elif action == "undo":
        words = consent_texts.come_back(paper(session, who.publication_id).name)
        if leaving.undo(session, *to, source="page", wording=words, now=now):
            unsubscribes.undo(session, who.issue_id or 0, who.subscriber_id, now)
    elif action == "resume":
        choices.resume(session, *to, now=now)
    elif action == "pause" and request.form.get("weeks") in PAUSES:
        choices.pause(session, *to, until=choices.weeks(int(request.form["weeks"]), now), now=now)
    elif action == "topics":
        _choose(session, who)
    elif action == "why":
        unsubscribes.explain(session, who.issue_id or 0, who.subscriber_id, request.form.get("reason", ""))
    else:
        raise BadInput("this page has no such button; please go back and press one of those that are there")
    return action


def _choose(session: Session, who: Reader) -> None:
    """Keep which topics are ticked, with the words that stood beside them."""
    ticked = sorted(set(request.form.getlist("topic")))
    words = consent_texts.topics(paper(session, who.publication_id).name)
    topics.choose(
        session,
        who.publication_id,
        who.subscriber_id,
        ticked,
        offered=catalog_topics.known(session),
        now=utcnow(),
        wording=f"{words} Ticked: {'; '.join(ticked) or 'nothing'}.",
    )


def _leave(session: Session, who: Reader, source: unsubscribes.Source) -> None:
    """Leave and count it for the issue whose mail it was. Again is fine, and so is a reader who is gone."""
    now = utcnow()
    words = consent_texts.leave(paper(session, who.publication_id).name) if source == "page" else ""
    if leaving.leave(session, who.publication_id, who.subscriber_id, source=source, wording=words, now=now):
        unsubscribes.record(session, who.issue_id or 0, who.subscriber_id, source, now)


def _post_welcome(session: Session, who: Reader, found: Paper, now: datetime) -> None:
    publication = session.get_one(Publication, who.publication_id)
    run = slots.next_planned(session, publication, now).run.astimezone(ZoneInfo(publication.zone))
    facts: dict[str, object] = {"next_issue": f"{run:%A}, {run.day} {run:%B}"}
    for latest in archive.sent_issues(session, found, 1):
        facts["latest_url"] = services().base_url + url_for("archive.issue", number=latest.edition.number)
    reader, paper_id = who.subscriber_id, who.publication_id
    delivery.post(session, "welcome", now=now, publication_id=paper_id, subscriber_id=reader, facts=facts)


def _welcome(who: Reader, found: Paper) -> Response:
    signer = services().signer
    with services().db.read() as session:
        return private(
            "welcome.html",
            paper=found,
            latest=next(iter(archive.sent_issues(session, found, 1)), None),
            preferences=tokens.preferences_token(signer, who.publication_id, who.subscriber_id),
        )


def _preferences(session: Session, who: Reader, done: str = "") -> Response:
    found = paper(session, who.publication_id)
    if not who.subscriber_id:
        return private("test_link.html", paper=found)
    chosen = topics.chosen(session, who.publication_id, who.subscriber_id)
    return private(
        "preferences.html",
        paper=found,
        done=done,
        wording=consent_texts.topics(found.name),
        chosen=chosen,
        topics=sorted({*catalog_topics.known(session), *chosen}, key=str.casefold),
        **_choices(session, who, found),
    )


def _unsubscribe(session: Session, who: Reader, done: str = "") -> Response:
    found = paper(session, who.publication_id)
    if not who.subscriber_id:
        return private("test_link.html", paper=found)
    left = unsubscribes.left(session, who.issue_id or 0, who.subscriber_id)
    return private(
        "unsubscribe.html",
        paper=found,
        done=done,
        reasons=unsubscribes.REASONS if left else {},
        reason=left.reason if left else None,
        **_choices(session, who, found),
    )


def _choices(session: Session, who: Reader, found: Paper) -> dict[str, Any]:
    """How the reader stands, the buttons, and the words beside them, which are stored when one is pressed."""
    session.flush()
    now = utcnow()
    stands = choices.read(session, who.publication_id, who.subscriber_id, now)
    return {
        "stands": stands,
        "pauses": PAUSES,
        "leaving": consent_texts.leave(found.name),
        "coming_back": consent_texts.come_back(found.name),
        "may_come_back": stands.left_at is not None and stands.left_at > now - leaving.UNDO_FOR,
    }

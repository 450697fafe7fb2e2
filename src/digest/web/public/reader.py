"""Readers' own pages by signed links: confirm, preferences, unsubscribe. GET shows, POST acts; there is no sign-in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from digest.audience import confirm as confirming
from digest.audience import preferences as choices
from digest.audience import tokens, topics
from digest.audience import unsubscribe as leaving
from digest.audience.tokens import SubscriberToken
from digest.catalog import topics as catalog_topics
from digest.db import utcnow
from digest.delivery.letters import outbox
from digest.editorial.calendar import slots
from digest.errors import BadInput
from digest.publications.models import Publication
from digest.tracking import unsubscribes
from digest.web import request_limits
from digest.web.guards import guarded_by_token
from digest.web.public import archive, consent_texts
from digest.web.publication_context import PublicationContext, load_publication, render_private, services

PAUSE_WEEKS: Final = {"2": "2 weeks", "4": "4 weeks", "8": "8 weeks"}

UNSUBSCRIBE_LOCK_SECONDS: Final = 30.0
Render = Callable[[Session, SubscriberToken, str], Response]

blueprint = Blueprint("reader", __name__)


@blueprint.get("/confirm/<token>")
def confirm_form(token: str) -> Response:
    """Show what the reader agrees to, with one button."""
    made, now = services(), utcnow()
    who = tokens.read_confirm(made.signer, token, now)
    with made.db.read() as session:
        publication = load_publication(session, who.publication_id)
        if not who.subscriber_id:
            return render_private("test_link.html", publication=publication)
        confirming.check(session, who.publication_id, who.subscriber_id)
        subscription = choices.get_preferences(session, who.publication_id, who.subscriber_id, now)
        return render_private(
            "confirm.html",
            publication=publication,
            subscription=subscription,
            consent_text=consent_texts.confirm_text(publication.name),
        )


@blueprint.post("/confirm/<token>")
@guarded_by_token
def confirm(token: str) -> Response:
    """Activate the subscription; the first time, queue a welcome letter."""
    made, now = services(), utcnow()
    who = tokens.read_confirm(made.signer, token, now)
    with made.db.begin() as session:
        publication = load_publication(session, who.publication_id)
        if not who.subscriber_id:
            return render_private("test_link.html", publication=publication)
        first = confirming.confirm(
            session,
            who.publication_id,
            who.subscriber_id,
            wording=consent_texts.confirm_text(publication.name),
            network=request_limits.client_address(),
            agent=request.user_agent.string,
            now=now,
        ).first
        if first:
            _post_welcome(session, who, publication, now)
    if first:
        made.enqueue_soon("letters")
    return _render_welcome(who, publication)


@blueprint.get("/preferences/<token>")
def preferences(token: str) -> Response:
    """Show the subscription's status and what can be changed."""
    return _show(tokens.read_preferences(services().signer, token), _render_preferences)


@blueprint.post("/preferences/<token>")
@guarded_by_token
def update_preferences(token: str) -> Response:
    """Pause, resume, choose topics, unsubscribe, or resubscribe."""
    return _act(tokens.read_preferences(services().signer, token), _render_preferences)


@blueprint.get("/unsubscribe/<token>")
def unsubscribe_form(token: str) -> Response:
    """Show the unsubscribe button, and pausing beside it. Mail scanners fetch this page too: it changes nothing."""
    return _show(tokens.read_unsubscribe(services().signer, token), _render_unsubscribe)


@blueprint.post("/unsubscribe/<token>")
@guarded_by_token
def unsubscribe(token: str) -> Response:
    """Unsubscribe by the page's button or by the mail client's (RFC 8058, 3.2: no cookie, no question, 200).

    A POST without our form's `action` comes from a mail client, whatever its body says.
    """
    who = tokens.read_unsubscribe(services().signer, token)
    if "action" not in request.form or request.form.get("List-Unsubscribe") == "One-Click":
        # No mail client tries again, so this waits for a lock as long as it takes.
        with services().db.begin(UNSUBSCRIBE_LOCK_SECONDS) as session:
            _unsubscribe_reader(session, who, "header")
        return Response("You are unsubscribed.\n", mimetype="text/plain")
    return _act(who, _render_unsubscribe)


def _show(who: SubscriberToken, render: Render) -> Response:
    """A reader's page, with nothing changed."""
    with services().db.read() as session:
        return render(session, who, "")


def _act(who: SubscriberToken, render: Render) -> Response:
    """Perform what the pressed button says, and show the page with what was done."""
    with services().db.begin() as session:
        done = _perform(session, who, request.form.get("action", "")) if who.subscriber_id else ""
        return render(session, who, done)


def _perform(session: Session, who: SubscriberToken, action: str) -> str:
    """Perform a button's action and return its name. Raises BadInput for an unknown one."""
    now, to = utcnow(), (who.publication_id, who.subscriber_id)
    if action == "unsubscribe":
        _unsubscribe_reader(session, who, "page")
    elif action == "resubscribe":
        words = consent_texts.resubscribe_text(load_publication(session, who.publication_id).name)
        if leaving.resubscribe(session, *to, source="page", wording=words, now=now):
            unsubscribes.undo(session, who.issue_id or 0, who.subscriber_id, now)
    elif action == "resume":
        choices.resume(session, *to, now=now)
    elif action == "pause" and request.form.get("weeks") in PAUSE_WEEKS:
        choices.pause(session, *to, until=choices.pause_weeks(int(request.form["weeks"]), now), now=now)
    elif action == "topics":
        _save_topics(session, who)
    elif action == "reason":
        unsubscribes.set_reason(session, who.issue_id or 0, who.subscriber_id, request.form.get("reason", ""))
    else:
        raise BadInput("this action does not exist; go back and use one of the buttons")
    return action


def _save_topics(session: Session, who: SubscriberToken) -> None:
    """Store the selected topics, with the text shown beside them."""
    selected = sorted(set(request.form.getlist("topic")))
    words = consent_texts.topics_text(load_publication(session, who.publication_id).name)
    topics.set_topics(
        session,
        who.publication_id,
        who.subscriber_id,
        selected,
        offered=catalog_topics.list_topics(session),
        now=utcnow(),
        wording=f"{words} Chosen: {'; '.join(selected) or 'nothing'}.",
    )


def _unsubscribe_reader(session: Session, who: SubscriberToken, source: unsubscribes.Source) -> None:
    """Unsubscribe, and count it for the issue whose mail it was. Harmless when repeated or the reader is unknown."""
    now = utcnow()
    words = (
        consent_texts.unsubscribe_text(load_publication(session, who.publication_id).name)
        if source == "page"
        else ""
    )
    if leaving.unsubscribe(
        session, who.publication_id, who.subscriber_id, source=source, wording=words, now=now
    ):
        unsubscribes.record(session, who.issue_id or 0, who.subscriber_id, source, now)


def _post_welcome(
    session: Session, who: SubscriberToken, publication: PublicationContext, now: datetime
) -> None:
    calendar = session.get_one(Publication, who.publication_id)
    facts: dict[str, object] = {}
    for slot in slots.list_upcoming(session, calendar, now):
        next_run = slot.send_at.astimezone(ZoneInfo(calendar.zone))
        facts["next_issue"] = f"{next_run:%A}, {next_run.day} {next_run:%B}"
    for latest in archive.sent_issues(session, publication, 1):
        facts["latest_url"] = services().base_url + url_for("archive.issue", number=latest.edition.number)
    outbox.enqueue_letter(
        session,
        "welcome",
        now=now,
        publication_id=who.publication_id,
        subscriber_id=who.subscriber_id,
        facts=facts,
    )


def _render_welcome(who: SubscriberToken, publication: PublicationContext) -> Response:
    signer = services().signer
    with services().db.read() as session:
        return render_private(
            "welcome.html",
            publication=publication,
            latest=next(iter(archive.sent_issues(session, publication, 1)), None),
            preferences=tokens.preferences_token(signer, who.publication_id, who.subscriber_id),
        )


def _render_preferences(session: Session, who: SubscriberToken, done: str) -> Response:
    publication = load_publication(session, who.publication_id)
    if not who.subscriber_id:
        return render_private("test_link.html", publication=publication)
    chosen = topics.chosen_topics(session, who.publication_id, who.subscriber_id)
    return render_private(
        "preferences.html",
        publication=publication,
        done=done,
        topics_text=consent_texts.topics_text(publication.name),
        chosen=chosen,
        topics=sorted({*catalog_topics.list_topics(session), *chosen}, key=str.casefold),
        **_subscription_facts(session, who, publication),
    )


def _render_unsubscribe(session: Session, who: SubscriberToken, done: str) -> Response:
    publication = load_publication(session, who.publication_id)
    if not who.subscriber_id:
        return render_private("test_link.html", publication=publication)
    record = unsubscribes.find_unsubscribe(session, who.issue_id or 0, who.subscriber_id)
    return render_private(
        "unsubscribe.html",
        publication=publication,
        done=done,
        reasons=unsubscribes.REASONS if record else {},
        reason=record.reason if record else None,
        **_subscription_facts(session, who, publication),
    )


def _subscription_facts(
    session: Session, who: SubscriberToken, publication: PublicationContext
) -> dict[str, Any]:
    """The subscription's status, and the consent texts beside the buttons, which are stored when one is pressed."""
    session.flush()
    now = utcnow()
    subscription = choices.get_preferences(session, who.publication_id, who.subscriber_id, now)
    return {
        "subscription": subscription,
        "pauses": PAUSE_WEEKS,
        "unsubscribe_text": consent_texts.unsubscribe_text(publication.name),
        "resubscribe_text": consent_texts.resubscribe_text(publication.name),
        "may_resubscribe": subscription.unsubscribed_at is not None
        and subscription.unsubscribed_at > now - leaving.UNDO_FOR,
    }

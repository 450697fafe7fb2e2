"""The setup: from an empty installation to a working publication and a first draft, step by step.

Each step is saved separately and can be repeated. A step whose result exists already counts as done.
"""

from collections.abc import Sequence
from typing import Final

from flask import current_app, g, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.audience.address import normalize
from digest.catalog import queries, sample
from digest.db import utcnow
from digest.delivery.relays.relay_remedies import RelayTestResult
from digest.delivery.relays.relay_test import send_relay_test
from digest.editorial.models import Issue, Role, State
from digest.errors import BadInput
from digest.publications.models import Publication
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import requires_role
from digest.web.desk.settings import blueprint, settings_forms
from digest.web.desk.settings.settings_forms import PARTS, SettingsForm
from digest.web.desk.view_helpers import Undo, flash_done, form_field, redirect_to, render_page, services

STEPS: Final = {
    "name": "Name and sender",
    "address": "Postal address",
    "calendar": "Calendar",
    "relay": "Test email",
    "comparisons": "First comparisons",
    "draft": "First draft",
}
PLACEHOLDER_DOMAINS: Final = (".localdomain", "@localhost")  # how the default sender ends


@blueprint.get("/setup")
@requires_role(Role.OWNER)
def setup() -> str:
    """The first step that is not done, or the final page."""
    with services().db.read() as db:
        return _render(db, next(iter(missing_steps(db, current_publication.get(db))), "done"))


@blueprint.get("/setup/<step>")
@requires_role(Role.OWNER)
def setup_step(step: str) -> str:
    """One step, done or not."""
    _check_step(step)
    with services().db.read() as db:
        return _render(db, step)


@blueprint.post("/setup/<step>")
@requires_role(Role.OWNER)
def save_setup_step(step: str) -> Response | tuple[str, int] | str:
    """Save a step, or perform its button's action."""
    _check_step(step)
    if step == "relay":
        return _send_test()
    if step == "comparisons":
        return _import_sample()
    if step not in PARTS:
        raise NoSuchPage("This step has nothing to save.")
    if form_field("action") == "preview":
        with services().db.read() as db:
            return _render(db, step, settings_forms.submitted_form(db, step))
    try:
        with services().db.begin() as db:
            before = settings_forms.save_part(db, step, Verb.SET_UP)
    except BadInput as refusal:
        with services().db.read() as db:
            return _render(db, step, settings_forms.submitted_form(db, step, refusal)), 400
    flash_done(
        f"{STEPS[step]}: saved.", Undo(url_for("desk.settings.save", part=step), before) if before else None
    )
    return redirect_to("settings.setup")


def missing_steps(db: Session, publication: Publication) -> list[str]:
    """The steps that are not done, in order; none once an issue has started sending."""
    own_issues = select(Issue.id).where(Issue.publication_id == publication.id)
    if db.scalar(own_issues.where(Issue.started_at.is_not(None)).limit(1)) is not None:
        return []
    done = set(publication.set_up.split())
    has_result = {
        "name": not publication.sender_address.endswith(PLACEHOLDER_DOMAINS),
        "address": bool(publication.postal_address.strip()),
        "comparisons": queries.count_comparisons(db) > 0,
        "draft": db.scalar(own_issues.limit(1)) is not None,
    }
    return [step for step in STEPS if step not in done and not has_result.get(step)]


def _send_test() -> tuple[str, int] | str:
    """Send the test while the page waits, for fifteen seconds at most, and show the mail server's responses."""
    address = normalize(form_field("address")).address
    if not services().limiter.allows("10/15 minutes", "relay test", str(g.me.id)):
        raise TooManyRequests("Too many tests. Wait 15 minutes and try again.")
    with services().db.read() as db:
        publication = current_publication.get(db)
        db.expunge(publication)  # no transaction stays open while the relay answers
    results = send_relay_test(services().relay, publication, address, now=utcnow())
    all_accepted = all(result.is_ok for result in results)
    if all_accepted:
        with services().db.begin() as db:
            publication = current_publication.get(db)
            settings_forms.mark_step(publication, "relay")
            record(db, Verb.SEND_RELAY_TEST, "setting", publication_id=publication.id)
    with services().db.read() as db:
        body = _render(db, "relay", results=results, address=address)
    return body if all_accepted else (body, 502)


def _import_sample() -> Response:
    with services().db.begin() as db:
        count = sample.import_sample(db, utcnow())
        if count:
            record(db, Verb.IMPORT, "comparison", details=f"{count} samples")
    flash_done(
        f"{count} sample comparisons imported." if count else "The sample comparisons were imported before."
    )
    return redirect_to("settings.setup")


def _render(
    db: Session,
    step: str,
    form: SettingsForm | None = None,
    results: Sequence[RelayTestResult] = (),
    address: str = "",
) -> str:
    publication = current_publication.get(db)
    missing = missing_steps(db, publication)
    order = [*STEPS, "done"]
    last = db.execute(
        select(Issue.number, Issue.state)
        .where(Issue.publication_id == publication.id)
        .order_by(Issue.number.desc())
        .limit(1)
    ).first()
    return render_page(
        "setup.html",
        publication=publication,
        step=step,
        steps=STEPS,
        missing=missing,
        follows=next((name for name in order[order.index(step) + 1 :] if name in missing), "done"),
        form=form or (settings_forms.stored_form(publication, step) if step in PARTS else None),
        results=results,
        address=address or g.me.address,
        comparisons=queries.count_comparisons(db),
        issue=last and last.number,
        drafted=last is not None and last.state == State.DRAFT,
        mailbox="mailbox" in current_app.blueprints,
        **settings_forms.form_choices(db),
    )


def _check_step(step: str) -> None:
    if step not in STEPS:
        raise NoSuchPage("There is no such step.")

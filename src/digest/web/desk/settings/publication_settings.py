"""The settings of the publication on the desk. Only an owner sees them."""

from collections.abc import Mapping

from flask import url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.wrappers import Response

from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import BadInput
from digest.publications import publications
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import requires_role
from digest.web.desk.settings import blueprint, settings_forms
from digest.web.desk.settings.settings_forms import PARTS, SettingsForm
from digest.web.desk.view_helpers import Undo, flash_done, form_field, redirect_to, render_page, services

INHERITED = ("sender_address", "postal_address", "zone", "language")  # by another publication


@blueprint.get("/settings")
@requires_role(Role.OWNER)
def edit() -> str:
    """Every setting, in parts that are saved one by one."""
    with services().db.read() as db:
        return _render(db)


@blueprint.post("/settings/<part>")
@requires_role(Role.OWNER)
def save(part: str) -> Response | tuple[str, int] | str:
    """Save one part, or show which dates a calendar would make."""
    if part not in PARTS:
        raise NoSuchPage("There is no such setting.")
    if form_field("do") == "look":
        with services().db.read() as db:
            return _render(db, settings_forms.submitted_form(db, part))
    try:
        with services().db.begin() as db:
            before = settings_forms.save_part(db, part)
            if before:
                _record_change(db, part, before)
    except BadInput as refusal:
        with services().db.read() as db:
            return _render(db, settings_forms.submitted_form(db, part, refusal)), 400
    if before:
        flash_done("Saved.", Undo(url_for("desk.settings.save", part=part), before))
    else:
        flash_done("Nothing was changed.")
    return redirect_to("settings.edit", _anchor=part)


@blueprint.post("/publications")
@requires_role(Role.OWNER)
def create_publication() -> Response:
    """Begin another publication, with the sender and the zone of the one on the desk."""
    with services().db.begin() as db:
        here = current_publication.get(db)
        facts = {name: getattr(here, name) for name in INHERITED}
        made = publications.create(db, now=utcnow(), name=form_field("name"), **facts)
        slug, name = made.slug, made.name
    current_publication.switch_to(slug)
    flash_done(f"{name} is begun.")
    return redirect_to("settings.setup", publication=slug)


def _record_change(db: Session, part: str, before: Mapping[str, str]) -> None:
    """Tell which part was changed, and of the second person, who is a guard, from what to what."""
    publication = current_publication.get(db)
    words = f"{part} of {publication.slug}"
    if "two_people" in before:
        was, now_is = ("yes" if on else "no" for on in (before["two_people"] == "1", publication.two_people))
        words += f", two people from {was} to {now_is}"
    record(db, "change", "setting", words=words, publication_id=publication.id)


def _render(db: Session, form: SettingsForm | None = None) -> str:
    """All parts; `form` is one that was typed and not saved."""
    publication = current_publication.get(db)
    shown = {part: settings_forms.stored_form(publication, part) for part in PARTS}
    if form is not None:
        shown[form.part] = form
    return render_page(
        "settings.html", publication=publication, forms=shown, **settings_forms.form_choices(db)
    )

"""The settings of the current publication. For owners only."""

from flask import url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
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

INHERITED = (
    "sender_address",
    "postal_address",
    "zone",
    "language",
)  # by a new publication from the current one


@blueprint.get("/settings")
@requires_role(Role.OWNER)
def edit() -> str:
    """All settings, in parts that are saved separately."""
    with services().db.read() as db:
        return _render(db)


@blueprint.post("/settings/<part>")
@requires_role(Role.OWNER)
def save(part: str) -> Response | tuple[str, int] | str:
    """Save one part, or preview the dates of a calendar."""
    if part not in PARTS:
        raise NoSuchPage("There is no such setting.")
    if form_field("action") == "preview":
        with services().db.read() as db:
            return _render(db, settings_forms.submitted_form(db, part))
    try:
        with services().db.begin() as db:
            before = settings_forms.save_part(db, part, Verb.CHANGE)
    except BadInput as refusal:
        with services().db.read() as db:
            return _render(db, settings_forms.submitted_form(db, part, refusal)), 400
    if before:
        flash_done("Saved.", Undo(url_for("desk.settings.save", part=part), before))
    else:
        flash_done("No changes to save.")
    return redirect_to("settings.edit", _anchor=f"part-{part}")


@blueprint.post("/publications")
@requires_role(Role.OWNER)
def create_publication() -> Response:
    """Create a publication with the sender, postal address, zone and language of the current one."""
    with services().db.begin() as db:
        current = current_publication.get(db)
        fields = {name: getattr(current, name) for name in INHERITED}
        publication = publications.create(db, now=utcnow(), name=form_field("name"), **fields)
        slug, name = publication.slug, publication.name
        record(db, Verb.CREATE_PUBLICATION, "setting", details=slug, publication_id=publication.id)
    current_publication.switch_to(slug)
    flash_done(f"{name} created.")
    return redirect_to("settings.setup", publication=slug)


def _render(db: Session, form: SettingsForm | None = None) -> str:
    """The page with all parts; `form` is one that was submitted but not saved."""
    publication = current_publication.get(db)
    shown = {part: settings_forms.stored_form(publication, part) for part in PARTS}
    if form is not None:
        shown[form.part] = form
    return render_page(
        "settings.html", publication=publication, forms=shown, **settings_forms.form_choices(db)
    )

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
from digest.web.desk.access.audit_log import note
from digest.web.desk.auth import needs
from digest.web.desk.settings import blueprint, forms
from digest.web.desk.settings.forms import PARTS, Form
from digest.web.desk.view_helpers import Undo, field, page, say, services, to

TAKEN_OVER = ("sender_address", "postal_address", "zone", "language")  # by another publication


@blueprint.get("/settings")
@needs(Role.OWNER)
def settings() -> str:
    """Every setting, in parts that are saved one by one."""
    with services().db.read() as db:
        return _page(db)


@blueprint.post("/settings/<part>")
@needs(Role.OWNER)
def save(part: str) -> Response | tuple[str, int] | str:
    """Save one part, or show which dates a calendar would make."""
    if part not in PARTS:
        raise NoSuchPage("There is no such setting.")
    if field("do") == "look":
        with services().db.read() as db:
            return _page(db, forms.typed(db, part))
    try:
        with services().db.begin() as db:
            before = forms.keep(db, part)
            if before:
                _note(db, part, before)
    except BadInput as refusal:
        with services().db.read() as db:
            return _page(db, forms.typed(db, part, refusal)), 400
    if before:
        say("Saved.", Undo(url_for("desk.settings.save", part=part), before))
    else:
        say("Nothing was changed.")
    return to("settings.settings", _anchor=part)


@blueprint.post("/publications")
@needs(Role.OWNER)
def another() -> Response:
    """Begin another publication, with the sender and the zone of the one on the desk."""
    with services().db.begin() as db:
        here = current_publication.chosen(db)
        facts = {name: getattr(here, name) for name in TAKEN_OVER}
        made = publications.create(db, now=utcnow(), name=field("name"), **facts)
        slug, name = made.slug, made.name
    current_publication.choose(slug)
    say(f"{name} is begun.")
    return to("settings.set_up", publication=slug)


def _note(db: Session, part: str, before: Mapping[str, str]) -> None:
    """Tell which part was changed, and of the second person, who is a guard, from what to what."""
    publication = current_publication.chosen(db)
    words = f"{part} of {publication.slug}"
    if "two_people" in before:
        was, now_is = ("yes" if on else "no" for on in (before["two_people"] == "1", publication.two_people))
        words += f", two people from {was} to {now_is}"
    note(db, "change", "setting", words=words, publication_id=publication.id)


def _page(db: Session, form: Form | None = None) -> str:
    """All parts; `form` is one that was typed and not saved."""
    publication = current_publication.chosen(db)
    shown = {part: forms.stored(publication, part) for part in PARTS}
    if form is not None:
        shown[form.part] = form
    return page("settings.html", publication=publication, forms=shown, **forms.lists(db))

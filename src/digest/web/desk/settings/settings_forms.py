"""The forms of a publication's settings, part by part, for the settings page and the setup."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from flask import request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.editorial.calendar import local_time
from digest.editorial.models import Role, User
from digest.errors import BadInput
from digest.publications import publications, time_zones
from digest.publications.models import Publication
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.view_helpers import form_field
from digest.web.publication_context import WEEKDAYS

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name", "tagline", "sender_name", "sender_address", "reply_to"),
    "address": ("postal_address",),
    "calendar": ("zone", "weekday", "at", "draft_days_before"),
    "picks": ("picks_per_issue", "min_picks"),
    "sending": ("hold_minutes", "requires_approval"),
}
DATE_COUNT: Final = 3  # enough to show what a calendar means


@dataclass(frozen=True)
class SettingsForm:
    """One part's form: the stored or submitted values, and the invalid field with its problem, if any."""

    part: str
    values: dict[str, str]
    wrong_field: str = ""
    problem: str = ""
    dates: list[str] = field(default_factory=list)  # the next ones of the calendar


def stored_form(publication: Publication, part: str) -> SettingsForm:
    """A part's form with the stored values."""
    return SettingsForm(
        part,
        {name: _field_text(getattr(publication, name)) for name in PARTS[part]},
        dates=next_dates(publication),
    )


def submitted_form(db: Session, part: str, refusal: BadInput | None = None) -> SettingsForm:
    """A part's form with the submitted values, the problem if there is one, and the dates of such a calendar."""
    publication = current_publication.get(db)
    values = stored_form(publication, part).values | {
        name: form_field(name) for name in PARTS[part] if name in request.form
    }
    try:
        fields = publications.check(dict(values))
    except BadInput as problem:
        refusal = refusal or problem
    if refusal is not None:
        name, _, problem_text = str(refusal).partition(": ")
        return SettingsForm(part, values, name, problem_text)
    stored = {name: getattr(publication, name) for name in ("name", *PARTS["calendar"])}
    return SettingsForm(part, values, dates=next_dates(Publication(**(stored | fields))))


def next_dates(publication: Publication) -> list[str]:
    """The next dates of a calendar, spelled out."""
    zone, send_time, dates = ZoneInfo(publication.zone), utcnow(), []
    for _ in range(DATE_COUNT):
        send_time = local_time.next_send_time(publication, send_time)
        dates.append(_spell_out(send_time.astimezone(zone)))
    return dates


def form_choices(db: Session) -> dict[str, object]:
    """What the forms offer to choose from, and how many users may approve an issue."""
    editors = select(func.count()).where(User.role != Role.VIEWER, User.removed_at.is_(None))
    return {
        "weekdays": WEEKDAYS,
        "zones": sorted(time_zones.names()),
        "editors": db.scalar(editors.select_from(User)) or 0,
    }


def mark_step(publication: Publication, step: str) -> bool:
    """Mark this setup step as done; False when it already was."""
    done = set(publication.set_up.split())
    publication.set_up = " ".join(sorted(done | {step}))
    return step not in done


def save_part(db: Session, part: str, verb: Verb) -> dict[str, str]:
    """Save a part's submitted values; returns the old values of changed fields. Raises BadInput, naming the field.

    The audit log gets an entry under `verb` if a value changed or this completes a step of the setup.
    """
    publication = current_publication.get(db)
    before = {name: getattr(publication, name) for name in PARTS[part]}
    publications.update(
        db, publication, **{name: form_field(name) for name in PARTS[part] if name in request.form}
    )
    is_step_done = mark_step(publication, part)
    after = {name: getattr(publication, name) for name in PARTS[part]}
    if after != before or is_step_done:
        text = f"{part} of {publication.slug}"
        record(db, verb, "setting", details=text, before=before, after=after, publication_id=publication.id)
    return {name: _field_text(value) for name, value in before.items() if value != after[name]}


def _field_text(value: object) -> str:
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)


def _spell_out(local: datetime) -> str:
    return f"{local:%A} {local.day} {local:%B}, {local:%H:%M}"

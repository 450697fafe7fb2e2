"""The forms of a publication's settings, part by part: the settings and the set-up show the same ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from flask import request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.db import utcnow
from digest.editorial.calendar import local_time
from digest.editorial.models import Role, User
from digest.errors import BadInput
from digest.publications import publications
from digest.publications.models import Publication
from digest.web.desk import current_publication
from digest.web.desk.view_helpers import form_field as sent
from digest.web.publication_context import WEEKDAYS

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name", "tagline", "sender_name", "sender_address", "reply_to"),
    "address": ("postal_address",),
    "calendar": ("zone", "weekday", "at", "draft_days_before"),
    "picks": ("wanted_picks", "fewest_picks"),
    "going-out": ("hold_minutes", "two_people"),
}
DATE_COUNT: Final = 3  # so many dates say what a calendar means


@dataclass(frozen=True)
class SettingsForm:
    """A part as its form shows it: what is stored or was typed, and which field could not be taken, and why."""

    part: str
    values: dict[str, str]
    wrong_field: str = ""
    problem: str = ""
    dates: list[str] = field(default_factory=list)  # of the calendar: what would come of it


def stored_form(publication: Publication, part: str) -> SettingsForm:
    """A part as it is stored."""
    return SettingsForm(
        part,
        {name: _field_text(getattr(publication, name)) for name in PARTS[part]},
        dates=next_dates(publication),
    )


def submitted_form(db: Session, part: str, refusal: BadInput | None = None) -> SettingsForm:
    """A part as it was just typed, with what is wrong with it, and the dates that a calendar would make."""
    publication = current_publication.get(db)
    values = stored_form(publication, part).values | {
        name: sent(name) for name in PARTS[part] if name in request.form
    }
    try:
        facts = publications.check(dict(values))
    except BadInput as problem:
        refusal = refusal or problem
    if refusal is not None:
        wrong, _, why = str(refusal).partition(": ")
        return SettingsForm(part, values, wrong, why)
    kept = {name: getattr(publication, name) for name in ("name", *PARTS["calendar"])}
    return SettingsForm(part, values, dates=next_dates(Publication(**(kept | facts))))


def next_dates(publication: Publication) -> list[str]:
    """The next three dates of a calendar, as a sentence says them."""
    zone, moment, found = ZoneInfo(publication.zone), utcnow(), []
    for _ in range(DATE_COUNT):
        moment = local_time.next_send_time(publication, moment)
        found.append(_spell_out(moment.astimezone(zone)))
    return found


def form_choices(db: Session) -> dict[str, object]:
    """What the forms offer to choose from, and whether there is a second person at all."""
    editors = select(func.count()).where(User.role != Role.VIEWER, User.removed_at.is_(None))
    return {
        "weekdays": WEEKDAYS,
        "zones": zone_names(),
        "editors": db.scalar(editors.select_from(User)) or 0,
    }


@cache
def zone_names() -> list[str]:
    """Every time zone by its name; it reads hundreds of files, and they do not change while we run."""
    return sorted(available_timezones())


def mark_step(publication: Publication, step: str) -> None:
    """Note that somebody did this step of the set-up."""
    done = set(publication.set_up.split())
    publication.set_up = " ".join(sorted(done | {step}))


def save_part(db: Session, part: str) -> dict[str, str]:
    """Save a part as it was sent; gives what its changed fields were before. Raises BadInput, naming the field."""
    publication = current_publication.get(db)
    before = stored_form(publication, part).values
    publications.change(db, publication, **{name: sent(name) for name in PARTS[part] if name in request.form})
    mark_step(publication, part)
    now = stored_form(publication, part).values
    return {name: value for name, value in before.items() if value != now[name]}


def _field_text(value: object) -> str:
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)


def _spell_out(local: datetime) -> str:
    return f"{local:%A} {local.day} {local:%B}, {local:%H:%M}"

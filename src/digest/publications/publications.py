"""Finds, creates and updates publications; every field is validated before it is stored."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.errors import BadInput, NotFound
from digest.publications import time_zones
from digest.publications.models import Publication

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_CLOCK = re.compile("(?:[01][0-9]|2[0-3]):[0-5][0-9]")  # not \d, which matches digits of other scripts
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
# Characters that reverse the reading order of what follows: a sender's name could imitate another one.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

DEFAULTS: Mapping[str, object] = {
    "tagline": "",
    "reply_to": None,
    "postal_address": "",
    "language": "en",
    "zone": "UTC",
    "weekday": 1,
    "at": "09:00",
    "draft_days_before": 2,
    "picks_per_issue": 5,
    "min_picks": 3,
    "hold_minutes": 10,
    "requires_approval": False,
}


def find(session: Session, slug: str | None = None) -> Publication:
    """The publication with this slug, or the oldest one when it is None. Raises NotFound."""
    wanted = select(Publication).order_by(Publication.id).limit(1)
    if slug is not None:
        wanted = wanted.where(Publication.slug == slug)
    publication = session.scalars(wanted).one_or_none()
    if publication is None:
        raise NotFound(
            f"there is no publication called {slug!r}"
            if slug is not None
            else "there is no publication yet; `digest init` creates the first"
        )
    return publication


def list_publications(session: Session) -> list[Publication]:
    """All publications, oldest first."""
    return list(session.scalars(select(Publication).order_by(Publication.id)))


def public_path(session: Session, publication: Publication) -> str:
    """The path of its pages below the base URL: "" for the oldest publication, "/p/<slug>" for every other."""
    first = session.scalar(select(func.min(Publication.id)))
    return "" if publication.id == first else f"/p/{publication.slug}"


def create(session: Session, *, now: datetime, **fields: object) -> Publication:
    """Create a publication with a `name`, a `sender_address` and whatever differs from DEFAULTS.

    By default `slug` is made from the name, and `sender_name` is the name. Raises BadInput, naming the field.
    """
    given = dict(DEFAULTS) | fields
    name = _text(given.get("name"), "name", 120, required=True)
    given.setdefault("slug", _slug_from(name))
    given.setdefault("sender_name", name)
    given.setdefault("sender_address", "")
    values = _validate(given)
    if session.scalar(select(func.count()).where(Publication.slug == values["slug"])):
        raise BadInput(f"slug: another publication already uses {values['slug']}; choose another slug")
    publication = Publication(created_at=now, **values)
    session.add(publication)
    session.flush()
    return publication


def update(session: Session, publication: Publication, **fields: object) -> Publication:
    """Update the given fields only. Raises BadInput, naming the field; nothing is changed then."""
    if "slug" in fields and fields["slug"] != publication.slug:
        raise BadInput("slug: cannot be changed, because links to the publication's pages contain it")
    current = {"picks_per_issue": publication.picks_per_issue, "min_picks": publication.min_picks}
    values = _validate(current | fields)
    for field, value in values.items():
        setattr(publication, field, value)
    session.flush()
    return publication


def check(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields as they would be stored; nothing is changed. Raises BadInput, naming the field."""
    return _validate(fields)


def _validate(fields: Mapping[str, object]) -> dict[str, object]:
    unknown = sorted(set(fields) - set(_RULES))
    if unknown:
        raise BadInput(f"{unknown[0]}: a publication has no such field")
    values = {field: _RULES[field](value) for field, value in fields.items()}
    minimum, target = values.get("min_picks"), values.get("picks_per_issue")
    if isinstance(minimum, int) and isinstance(target, int) and minimum > target:
        raise BadInput(f"min_picks: {minimum} is more than the {target} picks per issue")
    return values


def _text(
    value: object, field: str, max_chars: int, *, required: bool = False, multiline: bool = False
) -> str:
    text = str(value or "").strip()
    if multiline:
        text = text.replace("\r\n", "\n")
    if required and not text:
        raise BadInput(f"{field}: it is missing")
    if len(text) > max_chars:
        raise BadInput(f"{field}: {len(text)} characters are too many; at most {max_chars} are allowed")
    allowed = "\n" if multiline else ""
    # Category C holds control characters, but also emoji joiners and others that are harmless in a name.
    if any(
        (unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} and c not in allowed) or c in _BIDI_CONTROLS
        for c in text
    ):
        raise BadInput(f"{field}: it contains a line break, a control character or a mark that reverses text")
    return text


def _address(value: object, field: str) -> str:
    text = str(value or "").strip()
    if not text:
        raise BadInput(f"{field}: it is missing; write an address like digest@example.org")
    if "=?" in text:  # mail programs may decode it as an encoded-word (RFC 2047)
        raise BadInput(f"{field}: an email address must not contain =?")
    local, _, domain = text.rpartition("@")
    # A laptop may send as digest@localhost to its own mailbox; checks.py warns of it before a real send.
    is_localhost = domain.lower() == "localhost"
    try:
        found = validate_email(
            f"{local}@localhost.test" if is_localhost else text,
            check_deliverability=False,
            allow_smtputf8=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise BadInput(f"{field}: {text!r} is not an address: {' '.join(str(error).split())}") from None
    return f"{found.local_part}@localhost" if is_localhost else found.ascii_email or found.normalized


def _integer(value: object, field: str, minimum: int, maximum: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = minimum - 1
    if not minimum <= number <= maximum:
        raise BadInput(f"{field}: {value!r} is not a whole number from {minimum} to {maximum}")
    return number


def _weekday(value: object) -> int:
    name = str(value).strip().lower()
    return _WEEKDAYS.index(name) if name in _WEEKDAYS else _integer(value, "weekday", 0, 6)


def _matching(value: object, field: str, pattern: re.Pattern[str], example: str) -> str:
    text = str(value or "").strip()
    if not pattern.fullmatch(text):
        raise BadInput(f"{field}: {text!r} is not valid; write it like {example}")
    return text


def _slug_from(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-") or "digest"


_RULES: Mapping[str, Callable[[object], object]] = {
    "slug": lambda v: _text(_matching(v, "slug", _SLUG, "ai-tool-verdicts"), "slug", 64),
    "name": lambda v: _text(v, "name", 120, required=True),
    "tagline": lambda v: _text(v, "tagline", 200),
    "sender_name": lambda v: _text(v, "sender_name", 120, required=True),
    "sender_address": lambda v: _address(v, "sender_address"),
    "reply_to": lambda v: _address(v, "reply_to") if v else None,
    "postal_address": lambda v: _text(v, "postal_address", 500, multiline=True),
    "language": lambda v: _text(_matching(v, "language", _LANGUAGE, "en or pt-BR"), "language", 16),
    "zone": time_zones.parse,
    "weekday": _weekday,
    "at": lambda v: _matching(v, "at", _CLOCK, "09:00"),
    # 0 would draft the issue at the time it is sent, and 7 before the previous one is sent.
    "draft_days_before": lambda v: _integer(v, "draft_days_before", 1, 6),
    "picks_per_issue": lambda v: _integer(v, "picks_per_issue", 1, 12),
    "min_picks": lambda v: _integer(v, "min_picks", 1, 12),
    "hold_minutes": lambda v: _integer(v, "hold_minutes", 0, 1440),
    "requires_approval": lambda v: str(v).lower() in {"1", "on", "true", "yes"},
}

"""The activity of an issue: who changed its state and when, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.editorial import transitions
from digest.editorial.models import Issue, State, Transition, User

_TITLES: Final[Mapping[tuple[str, str], str]] = {
    ("", State.DRAFT): "Drafted",
    (State.SCHEDULED, State.DRAFT): "Returned to draft",
    (State.SENDING, State.DRAFT): "Returned to draft",
    (State.SCHEDULED, State.SENDING): "Sending started",
    (State.PAUSED, State.SENDING): "Resumed",
}
_ACTORS: Final = {
    "clock": "automatically",
    "worker": "automatically",
    "relay": "after what the mail server replied",
    "command line": "on the command line",
    "desk": "at the desk",
}


@dataclass(frozen=True)
class ActivityEntry:
    """One event: what happened in a few words, by whom or what, and further details."""

    occurred_at: datetime
    title: str
    by: str
    details: str = ""


def list_activity(db: Session, issue: Issue) -> list[ActivityEntry]:
    """Everything that happened to an issue, the oldest first."""
    events = transitions.list_transitions(db, issue.id)
    ids = {event.user_id for event in events if event.user_id}
    addresses = dict(db.execute(select(User.id, User.address).where(User.id.in_(ids))).all())
    return [_describe(event, addresses) for event in events]


def _describe(event: Transition, addresses: Mapping[int, str]) -> ActivityEntry:
    address = addresses.get(event.user_id or 0)
    by = f"by {address}" if address else _ACTORS.get(event.actor, f"by {event.actor}")
    title, details = (
        _TITLES.get((event.from_state, event.to_state), event.to_state.capitalize()),
        event.reason,
    )
    if event.from_state == event.to_state:
        is_rescheduled = event.to_state == State.SCHEDULED and details.startswith("for ")
        title, details = ("Rescheduled", details) if is_rescheduled else (_capitalize(details), "")
    return ActivityEntry(event.occurred_at, title, by, "" if details == title.lower() else details)


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]

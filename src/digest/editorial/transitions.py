"""Which state of an issue may follow which: one table, and the one place where a state changes."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.editorial import issues
from digest.editorial.models import Issue, State, Transition
from digest.errors import NotAllowed

ALLOWED_TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.SCHEDULED, State.CANCELLED}),
    # To PAUSED when its hour was missed, and back to DRAFT when an editor takes it off the calendar.
    State.SCHEDULED: frozenset({State.DRAFT, State.SENDING, State.PAUSED, State.CANCELLED}),
    # To DRAFT too, but only for `delivery.recall`, which knows that no mail has left: `taken_back`.
    State.SENDING: frozenset({State.PAUSED, State.SENT, State.CANCELLED}),
    # To SCHEDULED only when nothing was frozen: the editor was asked about a missed hour and said "send it".
    State.PAUSED: frozenset({State.SENDING, State.SCHEDULED, State.SENT, State.CANCELLED}),
    State.SENT: frozenset(),
    State.CANCELLED: frozenset(),
}
_ENDS = frozenset({State.SENT, State.CANCELLED})


def change_state(
    session: Session,
    issue: Issue,
    to_state: State,
    *,
    now: datetime,
    actor: str,
    user_id: int | None = None,
    reason: str = "",
    is_unfrozen: bool = False,
) -> None:
    """Bring `issue` from the state it was read in to `to`, and log who, when and why.

    A pause keeps `why` as its reason; an end sets `finished_at`. With `taken_back` the caller knows that no mail of it
    left, and what is being sent may become a draft. Raises NotAllowed when the table forbids it, when a second person
    has still to release it, or when somebody else moved the issue since it was read: of two at once, one wins.
    """
    session.flush()
    was = State(issue.state)
    recalled = is_unfrozen and (was, to_state) == (State.SENDING, State.DRAFT)
    if to_state not in ALLOWED_TRANSITIONS[was] and not recalled:
        raise NotAllowed(_refusal(issue.number, was, to_state))
    values: dict[str, object] = {
        "state": to_state,
        "pause_reason": reason if to_state is State.PAUSED else None,
    }
    if to_state in _ENDS:
        values["finished_at"] = now
    changed = update(Issue).where(Issue.id == issue.id, Issue.state == was).values(values).returning(Issue.id)
    if to_state is State.SENDING and was is State.SCHEDULED:
        changed = changed.where(~issues.lacks_approval())
    won = session.scalar(changed.execution_options(synchronize_session=False))
    issues.reload(session, issue)  # a freeze that waited for an edit must send what was edited
    if won is None and issue.state == was:
        raise NotAllowed(f"issue {issue.number} waits for a second person to release it")
    if won is None:
        raise NotAllowed(f"issue {issue.number} is {issue.state} by now; somebody else was faster")
    record_transition(session, issue.id, was, to_state, now=now, actor=actor, user_id=user_id, reason=reason)


def record_transition(
    session: Session,
    issue_id: int,
    from_state: str,
    to_state: State,
    *,
    now: datetime,
    actor: str,
    user_id: int | None,
    reason: str,
) -> None:
    """Write one line of an issue's history; `was` is empty for its beginning."""
    line = Transition(
        issue_id=issue_id,
        from_state=from_state,
        to_state=to_state,
        user_id=user_id,
        by=actor[:64],
        why=reason,
        at=now,
    )
    session.add(line)
    session.flush()


def list_transitions(session: Session, issue_id: int) -> list[Transition]:
    """Every change of an issue's state, the oldest first."""
    return list(
        session.scalars(select(Transition).where(Transition.issue_id == issue_id).order_by(Transition.id))
    )


def _refusal(number: int, was: State, to: State) -> str:
    if was is to:
        return f"issue {number} is {was} already"
    following = " or ".join(sorted(ALLOWED_TRANSITIONS[was]))
    if not following:
        return f"issue {number} is {was} and stays so"
    return f"issue {number} is {was} and cannot become {to}; it can only become {following}"

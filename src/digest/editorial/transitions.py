"""The state machine of an issue: the allowed transitions, and the only place where a state changes."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.editorial import issues
from digest.editorial.models import Issue, State, Transition
from digest.errors import NotAllowed

ALLOWED_TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.SCHEDULED, State.CANCELLED}),
    # To PAUSED when it missed its time, and back to DRAFT when it is unscheduled.
    State.SCHEDULED: frozenset({State.DRAFT, State.SENDING, State.PAUSED, State.CANCELLED}),
    # To DRAFT too, but only when it is unfrozen, which knows that no mail has been sent: `is_unfrozen`.
    State.SENDING: frozenset({State.PAUSED, State.SENT, State.CANCELLED}),
    # To SCHEDULED only when nothing was frozen: it missed its time and an editor rescheduled it.
    State.PAUSED: frozenset({State.SENDING, State.SCHEDULED, State.SENT, State.CANCELLED}),
    State.SENT: frozenset(),
    State.CANCELLED: frozenset(),
}
_FINAL_STATES = frozenset({State.SENT, State.CANCELLED})
_MAX_ACTOR_CHARS = 64


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
    """Change the state of `issue` from the one it was read in to `to_state`, and record who, when and why.

    A pause keeps `reason`; a final state sets `finished_at`. With `is_unfrozen` the caller knows that no mail of it
    was sent, and an issue that is being sent may become a draft. Raises NotAllowed when the transition is not allowed,
    when approval is missing, or when another request changed the state since it was read: of two at once, one wins.
    """
    session.flush()
    from_state = State(issue.state)
    becomes_draft = is_unfrozen and (from_state, to_state) == (State.SENDING, State.DRAFT)
    if to_state not in ALLOWED_TRANSITIONS[from_state] and not becomes_draft:
        raise NotAllowed(_describe_refusal(issue.number, from_state, to_state))
    values: dict[str, object] = {
        "state": to_state,
        "pause_reason": reason if to_state is State.PAUSED else None,
    }
    if to_state in _FINAL_STATES:
        values["finished_at"] = now
    changed = update(Issue).where(Issue.id == issue.id, Issue.state == from_state).values(values)
    if to_state is State.SENDING and from_state is State.SCHEDULED:
        changed = changed.where(~issues.lacks_approval())
    won = session.scalar(changed.returning(Issue.id).execution_options(synchronize_session=False))
    issues.reload(session, issue)  # a freeze that waited for an edit must send what was edited
    if won is None and issue.state == from_state:
        raise NotAllowed(f"issue {issue.number} needs approval by a second person before it can be sent")
    if won is None:
        raise NotAllowed(f"issue {issue.number} is {issue.state} now; it was changed by another request")
    record_transition(
        session, issue.id, from_state, to_state, now=now, actor=actor, user_id=user_id, reason=reason
    )


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
    """Add an event to the history; `from_state` is empty for the first, and the same for one that changes no state."""
    session.add(
        Transition(
            issue_id=issue_id,
            from_state=from_state,
            to_state=to_state,
            user_id=user_id,
            actor=actor[:_MAX_ACTOR_CHARS],
            reason=reason,
            occurred_at=now,
        )
    )
    session.flush()


def list_transitions(session: Session, issue_id: int) -> list[Transition]:
    """Return the history of an issue, the oldest event first."""
    events = select(Transition).where(Transition.issue_id == issue_id).order_by(Transition.id)
    return list(session.scalars(events))


def _describe_refusal(number: int, from_state: State, to_state: State) -> str:
    if from_state is to_state:
        return f"issue {number} is already {from_state}"
    allowed = " or ".join(sorted(ALLOWED_TRANSITIONS[from_state]))
    if not allowed:
        return f"issue {number} is {from_state}, which is final"
    return f"issue {number} is {from_state} and cannot become {to_state}, only {allowed}"

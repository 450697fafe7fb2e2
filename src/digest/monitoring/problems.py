"""What is wrong right now, as an operator should be told: nobody at work, or an issue that stands still."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.masking import mask_addresses
from digest.delivery.ledger.models import FrozenIssue, Letter
from digest.delivery.release import restored
from digest.editorial.calendar import schedule
from digest.editorial.models import Issue, State, Transition
from digest.monitoring import heartbeats
from digest.monitoring.ages import describe_age
from digest.monitoring.heartbeats import Kind, Pulse

LATE_AFTER: Final = timedelta(minutes=3)  # after its time, until an issue that has not started is a problem
_LATE: Final = ":late"  # the end of the key
LETTERS_WAIT_FOR: Final = timedelta(minutes=15)
_AUTOMATIC: Final = ("clock", "relay")  # actors that pause an issue without being asked to
_START_ONE: Final = "run `digest up`, or with several machines start it as docs/operator.md shows"
_WAITING_FOR_QUEUE: Final = {
    "clock": "Drafts, scheduled issues and retries wait.",
    "letters": "Confirmations, sign-in emails and notices wait.",
    "send": "Issues wait.",
}


@dataclass(frozen=True)
class Problem:
    """Something that a person has to look after. The key stays the same as long as it lasts."""

    key: str
    summary: str
    fix: str
    host: str = ""  # the machine that it concerns; empty: the whole service


def find_problems(
    session: Session,
    now: datetime,
    *,
    patience: timedelta = heartbeats.SILENT_AFTER,
) -> list[Problem]:
    """Every problem that the database shows; `patience`: how long a silence lasts before it is one."""
    silences = find_silences(heartbeats.read(session, now), patience=patience)
    # An issue that has not started is no news when nobody is at work.
    if held := find_hold(
        session
    ):  # the issues that it pauses, and whatever waits for it, need no words of their own
        return [*held, *silences]
    issues = find_issue_problems(session, now)
    told = [problem for problem in issues if not (silences and problem.key.endswith(_LATE))]
    letters = [] if silences else find_waiting_letters(session, now)
    return [*silences, *find_old_backup(session, now), *letters, *told]


def find_old_backup(session: Session, now: datetime) -> list[Problem]:
    """Whether backups have stopped; where none was ever made, that is a decision."""
    age = heartbeats.find_backup_age(session, now)
    if age is None or not heartbeats.is_backup_late(session, now):
        return []
    summary = f"The last backup is {describe_age(age)} old."
    fix = "make one with `digest backup FILE`, or see why the schedule does not"
    return [Problem("backup", summary, fix)]


def find_hold(session: Session) -> list[Problem]:
    """Whether this database was restored or copied, so that nothing is sent until a person has said what went out."""
    installation = restored.find_hold(session)
    if installation is None:
        return []
    reason = (installation.hold_reason or "it was restored or copied").rstrip(".")
    summary = f"Nothing is sent: {reason}."
    return [Problem("held", summary, "run `digest restored`, which asks what went out elsewhere meanwhile")]


def find_waiting_letters(session: Session, now: datetime) -> list[Problem]:
    """Single emails that have not been sent for long, and not because of their recipient.

    What a mail server answers about a recipient begins with its code; where we did not get as far, it does not.
    """
    waiting = select(func.count(), func.max(Letter.reply)).where(
        Letter.outcome.is_(None),
        Letter.created_at < now - LETTERS_WAIT_FOR,
        or_(Letter.reply.is_(None), Letter.reply.not_like("4%")),
    )
    count, reply = session.execute(waiting).one()
    if not count:
        return []
    what = f"{count:,} single emails have" if count > 1 else "A single email has"
    because = f": {mask_addresses(reply)}" if reply else ""
    waited = f"waited for more than {describe_age(LETTERS_WAIT_FOR)}"
    summary = f"{what} {waited} (confirmations, sign-ins, notices){because}."
    return [Problem("letters", summary, "check the mail server with `digest doctor`, and the workers' logs")]


def find_issue_problems(session: Session, now: datetime) -> list[Problem]:
    """Issues that were paused by themselves, make no progress, or have not started."""
    return [*_paused_issues(session), *_stalled_issues(session), *_late_issues(session, now)]


def find_silences(
    pulses: list[Pulse],
    *,
    patience: timedelta = heartbeats.SILENT_AFTER,
    watched_for: timedelta | None = None,
) -> list[Problem]:
    """The processes and queues that should report and do not.

    `watched_for`: how long the caller has been able to see a heartbeat; a silence that began before counts from then,
    so that nobody complains while everything is just being started.
    """
    return list(_silences(pulses, patience, watched_for))


def _silences(pulses: list[Pulse], patience: timedelta, watched_for: timedelta | None) -> Iterator[Problem]:
    if watched_for is not None and watched_for < patience:
        return
    workers, beats = (_silence(pulses, kind, patience) for kind in (Kind.WORKER, Kind.BEAT))
    if workers:
        yield Problem(
            "worker", f"No worker has reported {workers}. Nothing is sent until one runs.", _START_ONE
        )
    if beats:
        consequence = "Scheduled issues and retries wait until it runs."
        yield Problem("beat", f"The scheduler has not reported {beats}. {consequence}", _START_ONE)
    # Until workers and schedulers have run for as long, nothing can be expected of a queue.
    present = min(heartbeats.find_presence(pulses, kind) for kind in (Kind.WORKER, Kind.BEAT))
    if not workers and not beats and present >= patience:
        for pulse in pulses:
            if pulse.kind is Kind.QUEUE and (pulse.age is None or pulse.age >= patience):
                yield _silent_queue(pulse)


def _silence(pulses: list[Pulse], kind: Kind, patience: timedelta) -> str:
    """For how long no process of a kind has reported, in words; empty when one has."""
    running = [pulse.age for pulse in pulses if pulse.kind is kind and not pulse.has_stopped]
    if any(age is not None and age < patience for age in running):
        return ""
    last = heartbeats.youngest(pulses, kind)
    return "yet" if last is None else f"for {describe_age(last)}"


def _silent_queue(pulse: Pulse) -> Problem:
    since = "yet" if pulse.age is None else f"for {describe_age(pulse.age)}"
    summary = (
        f"No worker has taken a task from the queue “{pulse.name}” {since}. {_WAITING_FOR_QUEUE[pulse.name]}"
    )
    fix = f"check that the broker answers and that a worker serves this queue (`-Q {pulse.name}`, or no -Q at all)"
    return Problem(f"queue:{pulse.name}", summary, fix)


def _paused_issues(session: Session) -> Iterator[Problem]:
    """Issues that were paused, and not by a person."""
    earlier = aliased(Transition)
    pauses = (
        earlier.issue_id == Issue.id,
        earlier.to_state == State.PAUSED,
        earlier.from_state != State.PAUSED,
    )
    latest = select(func.max(earlier.id)).where(*pauses).correlate(Issue).scalar_subquery()
    rows = select(Issue).where(Issue.state == State.PAUSED).join(Transition, Transition.id == latest)
    for issue in session.scalars(rows.where(Transition.actor.in_(_AUTOMATIC)).order_by(Issue.id)):
        reason = (issue.pause_reason or "no reason was recorded").rstrip(".")
        fix = "fix the cause, then resume, reschedule or cancel it at the desk"
        yield Problem(f"issue:{issue.id}:paused", f"{_name(issue)} is paused: {reason}.", fix)


def _stalled_issues(session: Session) -> Iterator[Problem]:
    """Issues whose owners were told that they make no progress (delivery.release.stalled)."""
    rows = select(Issue).join(FrozenIssue, FrozenIssue.issue_id == Issue.id)
    rows = rows.where(Issue.state == State.SENDING, FrozenIssue.stall_notified_at.is_not(None))
    for issue in session.scalars(rows.order_by(Issue.id)):
        remaining = count_outcomes(session, issue.id).remaining
        summary = (
            f"No email of {_name(issue)} has been sent for ten minutes or more, and {remaining:,} remain."
        )
        yield Problem(f"issue:{issue.id}:stalled", summary, "check that the worker can reach the mail server")


def _late_issues(session: Session, now: datetime) -> Iterator[Problem]:
    """Issues that should have started."""
    for issue_id in schedule.list_due(session, now - LATE_AFTER):
        issue = session.get_one(Issue, issue_id)
        summary = f"{_name(issue)} was due at {issue.send_at:%Y-%m-%d %H:%M} UTC and has not started."
        yield Problem(f"issue:{issue.id}{_LATE}", summary, "look for “task failed” in the workers' logs")


def _name(issue: Issue) -> str:
    return f"Issue {issue.number} of {issue.publication.name}"

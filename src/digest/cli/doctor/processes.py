"""Who is at work: `digest up`, the broker, workers, schedulers and queues, and the issues that stand still."""

import fcntl
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from digest.cli import AppContext
from digest.cli.doctor.finding import Finding, summarize_error

if TYPE_CHECKING:
    from digest.monitoring.heartbeats import Pulse
    from digest.monitoring.problems import Problem

BROKER_SECONDS = 3.0  # for each answer; it is tried twice


def check_up(context: AppContext) -> Iterator[Finding]:
    """Whether `digest up` runs here, where it brings the broker or the mailbox; otherwise there is nothing to say."""
    settings = context.settings()
    if not (settings.is_embedded_broker or settings.is_embedded_mailbox) or _is_locked(
        settings.home / "up.lock"
    ):
        return
    summary = "`digest up` is not running here: no site, worker, scheduler"
    for is_embedded, name in (
        (settings.is_embedded_broker, "broker"),
        (settings.is_embedded_mailbox, "mailbox"),
    ):
        summary += f", {name}" if is_embedded else ""
    since = _last_seen(context)
    last = f"; it was last seen {since} ago" if since else ""
    # Before the first start nothing is wrong yet.
    yield Finding("up", "bad" if since else "warn", summary + last, "run `digest up`")


def check_broker(context: AppContext) -> Iterator[Finding]:
    """Whether it answers."""
    try:
        limits = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS}
        with context.celery_app().connection_for_write(transport_options=limits) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.2, timeout=BROKER_SECONDS)
    except Exception as error:  # noqa: BLE001  every transport raises its own errors
        summary = f"{summarize_error(error)}; sending waits until the broker is back"
        yield Finding("broker", "bad", summary, "start the broker, or set DIGEST_BROKER_URL")
        return
    yield Finding("broker", "ok", "answers")


def check_processes(context: AppContext) -> Iterator[Finding]:
    """Whether workers and schedulers have reported lately."""
    from digest.monitoring import heartbeats, problems
    from digest.monitoring.ages import describe_age
    from digest.monitoring.heartbeats import Kind

    pulses = _read_pulses(context)
    silences = [one for one in problems.find_silences(pulses) if not one.key.startswith(Kind.QUEUE)]
    for silence in silences:
        yield Finding("processes", "bad", silence.summary, silence.fix)
    for pulse in heartbeats.find_lost(pulses):
        if pulse.age is not None and heartbeats.is_alive(pulses, pulse.kind):
            summary = (
                f"{pulse.kind} {pulse.name} has not reported for {describe_age(pulse.age)}; another one has"
            )
            yield Finding("processes", "warn", summary, "start it again")
    alive = [
        f"{pulse.kind} {pulse.name}"
        for pulse in pulses
        if pulse.kind is not Kind.QUEUE and not pulse.is_silent
    ]
    if not silences:
        yield Finding("processes", "ok", f"{', '.join(alive[:-1])} and {alive[-1]} report")


def check_queues(context: AppContext) -> Iterator[Finding]:
    """Whether workers take tasks from every queue; only a broker that answers can be expected to bring them."""
    from digest.beat_schedule import QUEUES
    from digest.monitoring import problems
    from digest.monitoring.heartbeats import Kind

    silences = problems.find_silences(_read_pulses(context))
    silent = [one for one in silences if one.key.startswith(Kind.QUEUE)]
    yield from _report("queues", silent, f"tasks are taken from {', '.join(QUEUES)}")


def check_hold(context: AppContext) -> Iterator[Finding]:
    """Whether this database is a copy, which sends nothing until a person has said what went out elsewhere."""
    from digest.monitoring import problems

    with context.services().db.read() as session:
        found = problems.find_hold(session)
    yield from _report("hold", found, "this database is neither restored nor a copy")


def check_issues(context: AppContext) -> Iterator[Finding]:
    """Whether an issue was paused by itself, makes no progress or did not start."""
    from digest.db import database_now
    from digest.monitoring import problems

    with context.services().db.read() as session:
        found = problems.find_issue_problems(session, database_now(session))
    yield from _report("issues", found, "none stands still")


def check_letters(context: AppContext) -> Iterator[Finding]:
    """Whether confirmations, sign-in emails and notices leave."""
    from digest.db import database_now
    from digest.monitoring import problems

    with context.services().db.read() as session:
        found = problems.find_waiting_letters(session, database_now(session))
    yield from _report("letters", found, "none waits for long")


def _report(check: str, found: "Sequence[Problem]", ok: str) -> Iterator[Finding]:
    """A finding for each problem, or `ok` when there is none."""
    for problem in found:
        yield Finding(check, "bad", problem.summary, problem.fix)
    if not found:
        yield Finding(check, "ok", ok)


def _is_locked(path: Path) -> bool:
    """Whether another process holds a lock on the file."""
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _read_pulses(context: AppContext) -> "list[Pulse]":
    from digest.db import database_now
    from digest.monitoring import heartbeats

    with context.services().db.read() as session:
        return heartbeats.read(session, database_now(session))


def _last_seen(context: AppContext) -> str:
    """How long ago a process of this database last reported, in words; empty when none ever did."""
    from sqlalchemy.exc import DBAPIError

    from digest.monitoring.ages import describe_age

    try:
        pulses = _read_pulses(context)
    except DBAPIError:
        return ""
    youngest: timedelta | None = min((pulse.age for pulse in pulses if pulse.age is not None), default=None)
    return describe_age(youngest) if youngest is not None else ""

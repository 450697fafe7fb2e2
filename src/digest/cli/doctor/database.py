"""The database: whether it can be written, its schema, and its clock."""

import time
from collections.abc import Iterator
from datetime import timedelta

from digest.cli import AppContext
from digest.cli.doctor.finding import Finding, summarize_error

EARLIEST_CLOCK = 1_790_000_000  # September 2026: a clock that is earlier was never set
ALLOWED_OFF = timedelta(seconds=5)
LOCK_SECONDS = 10.0


def check_database(context: AppContext) -> Iterator[Finding]:
    """Write for real: a reader notices neither a full disk nor a lock, and an empty transaction writes nothing."""
    from sqlalchemy import inspect, text

    from digest.db import database_now
    from digest.monitoring import heartbeats
    from digest.monitoring.models import Heartbeat

    database = context.services().db
    try:
        with database.begin(LOCK_SECONDS) as session:
            session.execute(text("select 1"))
            if inspect(session.connection()).has_table(Heartbeat.__tablename__):
                heartbeats.write_probe(session, database_now(session))
    except Exception as error:  # noqa: BLE001  every driver raises its own errors
        yield Finding("database", "bad", summarize_error(error), _remedy(error))
        return
    yield Finding("database", "ok", f"{database.engine.dialect.name} answers, and can be written")


def check_migrations(context: AppContext) -> Iterator[Finding]:
    """The schema must be the latest one, and ours to add partitions to."""
    from digest import schema
    from digest.delivery.ledger import partitions

    with context.services().db.engine.connect() as connection:
        if mismatch := schema.describe_mismatch(connection):
            what, _, remedy = mismatch.partition(": ")
            yield Finding("migrations", "bad", what, remedy)
            return
    with context.services().db.read() as session:
        if not partitions.may_create(session):
            yield Finding("migrations", "bad", partitions.NO_OWNER, partitions.CONNECT_AS_OWNER)
            return
    yield Finding("migrations", "ok", "up to date")


def check_backup(context: AppContext) -> Iterator[Finding]:
    """How old the last backup is."""
    from digest.db import database_now
    from digest.monitoring import heartbeats, problems
    from digest.monitoring.ages import describe_age

    with context.services().db.read() as session:
        now = database_now(session)
        age, old = heartbeats.find_backup_age(session, now), problems.find_old_backup(session, now)
    for problem in old:
        yield Finding("backup", "bad", problem.summary, problem.fix)
    if age is None:
        yield Finding(
            "backup",
            "warn",
            "no backup was made yet",
            "set DIGEST_BACKUP, as in `/srv/backups daily keep 14`",
        )
    elif not old:
        yield Finding("backup", "ok", f"made {describe_age(age)} ago")


def check_clock(context: AppContext) -> Iterator[Finding]:
    """The machine's clock must be set, and agree with the database's."""
    from digest.db import database_now, utcnow
    from digest.monitoring.clock import FARTHEST_OFF, describe_difference

    now = time.time()
    if now < EARLIEST_CLOCK:
        yield Finding("clock", "bad", "this machine's clock is not set", "set it with NTP")
        return
    with context.services().db.read() as session:
        here, there = utcnow(), database_now(session)
    if abs(here - there) > ALLOWED_OFF:
        status = "bad" if abs(here - there) > FARTHEST_OFF else "warn"
        summary = f"this machine's clock is {describe_difference(here, there)}"
        yield Finding("clock", status, summary, "set both with NTP")
        return
    yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def _remedy(error: Exception) -> str:
    text = str(error).lower()
    if "full" in text or "no space" in text:
        return "free some space on the database's disk"
    if "locked" in text:
        return "another program holds the database's lock: end it"
    if "readonly" in text or "read-only" in text or "permission" in text:
        return "let the user that runs digest write to the database"
    if "timeout" in text:
        return (
            "the database's machine does not answer: look at its disk, its memory and the network in between"
        )
    return "start the database, or set DIGEST_DATABASE_URL"

"""What a provider's log says about an issue's unknown deliveries, in sentences for the desk and the command line."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.logged_readers import LoggedReaders
from digest.delivery.ledger.models import Outcome
from digest.delivery.release.unknown_deliveries import UnknownCounts, Which
from digest.editorial.models import Issue
from digest.errors import BadInput

LATEST_EXPORT: Final = timedelta(
    minutes=15
)  # before now: a log of what was sent until now is this old at most
COMPLETE_SHARE = 0.99  # of the accepted emails; whoever a log with fewer leaves out may have got theirs too


class ShortLog(BadInput):
    """A log that does not reach from the backup until now: whoever is not in it may have been sent an email later."""


def require_covering(log: LoggedReaders, since: datetime, now: datetime) -> None:
    """Raise ShortLog unless the log reaches from `since`, the time of the backup, until now.

    Nobody here can know when the other copy stopped sending, so that anything short of now may be cut off.
    """
    if log.span.covers(since) and log.span.covers(max(since, now - LATEST_EXPORT)):
        return
    raise ShortLog(
        f"the log {reach(log)}, but the issue may have been sent from the backup ({since:%Y-%m-%d %H:%M:%S} UTC) until "
        "now, and whoever is missing from it may get it twice: export the log again, from before the backup until now"
    )


def require_named(log: LoggedReaders, issue: Issue, name: str = "") -> None:
    """Raise BadInput when the log, called `name`, names no reader of the issue: it is another log, or not complete."""
    if not len(log.by_message_id) and not len(log.by_address):
        called = f"the log {name}" if name else "the log"
        raise BadInput(f"{called} names no reader of issue {issue.number}; is it the right log?")


def describe(issue: Issue, found: UnknownCounts, log: LoggedReaders | None, name: str = "") -> list[str]:
    """Return how many deliveries are unknown, and how many of them the log names, in sentences."""
    if log is None:
        return [f"Issue {issue.number}: {found.total:,} unknown."]
    inside = f"{found.logged:,} of {found.total:,} unknown deliveries {_are(found.logged)} in {name}"
    return [f"{inside}, {found.not_logged:,} {_are(found.not_logged)} not.", *_left_open(found, log)]


def _left_open(found: UnknownCounts, log: LoggedReaders) -> Iterator[str]:
    """Yield why some deliveries are neither in the log nor known not to be."""
    if found.in_doubt:
        yield (
            f"{found.in_doubt:,} {_are(found.in_doubt)} named only by address, which may be from another email: "
            "decide about each on the report."
        )
    if found.refused:
        yield (
            f"{found.refused:,} {_are(found.refused)} in the log as bounced, rejected or deferred: "
            "decide about each on the report."
        )
    if found.not_covered:
        yield (
            f"{found.not_covered:,} {_are(found.not_covered)} not in the log, but it {reach(log)}, so they may not "
            "have been logged yet: export the log again, from before the issue until now, or decide about each on the "
            "report."
        )


def reach(log: LoggedReaders) -> str:
    """Return from when to when the log reaches, as the rest of a sentence about it."""
    first, last = log.span.first, log.span.last
    if first is None or last is None or first > last:
        return "does not say from when to when it reaches"
    return f"reaches for certain only from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC"


def warn_incomplete(session: Session, issue: Issue, log: LoggedReaders | None) -> str:
    """Return a warning when the log leaves out many who did get the issue, so that it proves nothing of others."""
    accepted = count_outcomes(session, issue.id).accepted
    named = log.outcomes[Outcome.ACCEPTED.value] if log else accepted
    if named >= COMPLETE_SHARE * accepted:
        return ""
    return (
        f"The log names only {named:,} of the {accepted:,} readers whose email was accepted. It is not complete, so "
        "whoever is not in it may have got the email all the same."
    )


def audit_words(count: int, which: Which, name: str) -> str:
    """Return what was decided, for the audit log."""
    by_log = {
        Which.ALL: "",
        Which.LOGGED: f", in the log {name}",
        Which.NOT_LOGGED: f", not in the log {name}",
    }
    return f"{count:,} unknown {'delivery' if count == 1 else 'deliveries'}{by_log[which]}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"

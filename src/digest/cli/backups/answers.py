"""What the commands of `digest restored` do and print."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from digest.access.audit_verbs import Verb
from digest.cli.audit import record, record_issue
from digest.cli.issue_output import ACTOR, get_issue
from digest.delivery.ledger.log_events import Meanings
from digest.delivery.ledger.logged_readers import UnclearLog
from digest.delivery.ledger.provider_log import open_log
from digest.delivery.relays.accounts import count_connections
from digest.delivery.release import settling
from digest.delivery.release.log_report import ShortLog
from digest.delivery.release.settling import Settler
from digest.delivery.release.went_out import WentOut
from digest.delivery.sending.claim import database_clock
from digest.editorial.models import Issue
from digest.errors import BadInput
from digest.services import Services


@dataclass(frozen=True)
class LogAnswer:
    """Those have it whom a log names."""

    path: Path
    is_complete: bool  # as a person says
    meanings: Meanings  # of words in it


def create_settler(services: Services) -> Settler:
    """Who settles on the command line."""
    return Settler(
        services.db,
        services.signer,
        services.base_url,
        count_connections(services.relay),
        clock=database_clock(services.db),
        by=ACTOR,
        source="cli",
        record=_record,
    )


def describe_hold(services: Services) -> dict[str, Any]:
    """Why nothing is sent, and what has to be settled."""
    with services.db.read() as session:
        return settling.describe(session)


def format_hold(facts: Mapping[str, Any]) -> Iterator[str]:
    """The same as lines for a person."""
    if not facts["held"]:
        yield "This database is neither restored nor a copy: emails are sent as usual."
        return
    until = datetime.fromisoformat(facts["known_until"])
    yield f"Nothing is sent: {facts['reason']}."
    yield f"What happened after {until:%Y-%m-%d %H:%M} UTC is not in it. Before anything is sent, say:"
    for issue in facts["issues"]:
        subject = issue["subject"] or "no subject"
        yield f"  issue {issue['issue']} of {issue['publication']}, {subject}, was {issue['was']}: {_answer(issue)}"
    left = "settled" if facts["unsubscribes_settled"] else "digest restored unsubscribed FILE, or --nobody"
    yield f"  who unsubscribed since: {left}"
    yield "Drafts are not listed here: cancel any that was sent since, or its readers get it twice."
    yield "If this home was moved while nothing ran: digest restored moved"


def settle_issue(services: Services, number: int, slug: str | None, answer: WentOut | LogAnswer) -> str:
    """Settle one issue; returns what that means, in a sentence."""
    settler = create_settler(services)
    with services.db.read() as session:
        issue_id = get_issue(session, number, slug).id
    if isinstance(answer, LogAnswer):
        return _settle_logged(settler, issue_id, answer)
    settle = settling.settle_none if answer is WentOut.NONE else settling.settle_all
    return settle(settler, issue_id)


def settle_unsubscribes(services: Services, file: Path | None) -> str:
    """Unsubscribe everybody whom the file names; without a file, nobody."""
    settler = create_settler(services)
    if file is None:
        return settling.settle_nobody_left(settler)
    return settling.settle_unsubscribed(settler, open_log(file))


def release_if_settled(services: Services) -> str:
    """Allow sending again when everything is said; returns a sentence about it."""
    if not settling.is_settled(describe_hold(services)):
        return "Something is still to be settled: see `digest restored`."
    settling.release(create_settler(services))
    return "Everything is settled: emails are sent again. Resume or schedule the issues that wait."


def _settle_logged(settler: Settler, issue_id: int, answer: LogAnswer) -> str:
    log, is_complete = open_log(answer.path), answer.is_complete
    try:
        return settling.settle_logged(
            settler, issue_id, log, meanings=answer.meanings, is_complete=is_complete
        )
    except UnclearLog as error:
        raise BadInput(f"{error}, or use --sent-word WORD and --refused-word WORD") from None
    except ShortLog as error:
        raise BadInput(f"{error}, or add --complete if it holds all that was sent") from None


def _answer(issue: Mapping[str, Any]) -> str:
    if issue["went_out"]:
        return f"settled, {issue['went_out']} went out"
    return f"digest restored issue {issue['issue']} --all, --none or --log FILE"


def _record(session: Session, verb: Verb, issue: Issue | None, details: str) -> None:
    if issue is None:
        record(session, verb, "setting", details=details)
    else:
        record_issue(session, verb, issue, details)

"""`digest issues unknown`: settling an issue's unknown deliveries together, as a provider's log says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from digest.access.audit_verbs import Verb
from digest.cli.audit import record_issue
from digest.cli.confirm_send import is_interactive
from digest.cli.issue_output import ACTOR, get_issue, print_output
from digest.db import utcnow
from digest.delivery.ledger.log_events import Meanings
from digest.delivery.ledger.logged_readers import LoggedReaders, UnclearLog, find_logged
from digest.delivery.ledger.provider_log import open_log
from digest.delivery.release import log_report, unknown_deliveries
from digest.delivery.release.unknown_deliveries import Choice, UnknownCounts, Which
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.errors import BadInput
from digest.services import Services

ACTS: dict[Verb, tuple[Callable[..., int], str, str]] = {
    Verb.COUNT_AS_SENT: (unknown_deliveries.count_as_sent, "Count {} as sent?", "Counted {} as sent."),
    Verb.SEND_AGAIN: (
        unknown_deliveries.send_again,
        "Send the issue to {} again?",
        "Sending the issue to {} again.",
    ),
}


@dataclass(frozen=True)
class Request:
    """What the operator asked for: the log, whom of the unknown, and what to do; without a verb only to look."""

    path: Path | None
    which: Which
    verb: Verb | None
    yes: bool
    meanings: Meanings = field(default_factory=dict)  # of words in the log


def decide(services: Services, number: int, slug: str | None, asked: Request, *, as_json: bool) -> None:
    """Say how many deliveries are unknown and what the log says of them, then do what was asked.

    On a terminal it asks first. Raises as `unknown_deliveries` and `provider_log.open_log`, and click.Abort for a no.
    """
    with services.db.read() as session:
        issue = get_issue(session, number, slug)
        log = _read_log(session, services, issue, asked)
        found = unknown_deliveries.count_unknown(session, issue.id, log)
        lines = log_report.describe(issue, found, log, asked.path.name if asked.path else "")
        warning = log_report.warn_incomplete(session, issue, log)
    if not as_json:
        for line in lines:
            click.echo(line, err=asked.verb is not None)
    if warning:
        click.echo(f"warning: {warning}", err=True)
    count = 0
    if asked.verb and found.upto is not None and found.of(asked.which):
        _confirm(found, asked)
        count = _act(services, number, slug, asked, Choice(found.upto, asked.which, log))
    if asked.verb or as_json:
        done = [ACTS[asked.verb][2].format(_readers(count))] if asked.verb else []
        print_output(_facts(number, found, asked, count), done, as_json)


def _read_log(session: Session, services: Services, issue: Issue, asked: Request) -> LoggedReaders | None:
    if asked.path is None:
        return None
    try:
        with open_log(asked.path) as texts:
            log = find_logged(
                session, services.signer, issue.id, texts, meanings=asked.meanings, now=utcnow()
            )
    except UnclearLog as error:
        raise BadInput(f"{error}, or use --sent-word WORD and --refused-word WORD") from None
    log_report.require_named(log, issue, asked.path.name)
    return log


def _confirm(found: UnknownCounts, asked: Request) -> None:
    if asked.verb and not asked.yes and is_interactive():
        question = ACTS[asked.verb][1].format(_readers(found.of(asked.which)))
        click.confirm(question, abort=True, err=True)


def _act(services: Services, number: int, slug: str | None, asked: Request, choice: Choice) -> int:
    if asked.verb is None:
        raise BadInput("choose what to do")
    with services.db.begin() as session:
        issue, now = get_issue(session, number, slug), utcnow()
        count = ACTS[asked.verb][0](session, issue, choice, now=now)
        if count:
            words = log_report.audit_words(count, choice.which, asked.path.name if asked.path else "")
            record_issue(session, asked.verb, issue, words)
            state = State(issue.state)
            transitions.record_transition(
                session,
                issue.id,
                state,
                state,
                now=now,
                actor=ACTOR,
                user_id=None,
                reason=f"{asked.verb}: {words}",
            )
    services.enqueue_soon("send")
    return count


def _facts(number: int, found: UnknownCounts, asked: Request, count: int) -> dict[str, Any]:
    facts: dict[str, Any] = {"issue": number, "unknown": found.total}
    if asked.path is not None:
        facts |= {"in_log": found.logged, "not_in_log": found.not_logged, "in_doubt": found.in_doubt}
        facts |= {"refused": found.refused, "not_covered": found.not_covered}
    return facts | ({"action": asked.verb.name.lower(), "settled": count} if asked.verb else {})


def _readers(count: int) -> str:
    return f"{count:,} {'reader' if count == 1 else 'readers'}"

"""Runs the external checks that are due, a few at a time, and records each result as soon as it is known."""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from digest.db import Database, utcnow
from digest.editorial import editions
from digest.editorial.checks import external_check_queue
from digest.editorial.checks.external_check_queue import CheckRequest, MailSetup
from digest.editorial.checks.sample_mail import render_sample_mail
from digest.editorial.models import Issue, State
from digest.errors import BadInput, Unavailable
from digest.external_checks import dns, sender_auth, spam
from digest.external_checks.http import check_link
from digest.external_checks.ssrf import DEFAULT_POLICY, HostPolicy
from digest.render.compile import compile_issue

LOG = logging.getLogger(__name__)

MAX_CONCURRENT: Final = 4  # so that a site with many of the links is not flooded
MAX_CHECKS_PER_RUN: Final = 12  # a deploy waits for the run that is under way
_EDITABLE: Final = (State.DRAFT, State.SCHEDULED, State.PAUSED)


def run_due_checks(
    db: Database,
    *,
    base_url: str,
    mail_setup: MailSetup,
    host_policy: HostPolicy = DEFAULT_POLICY,
    is_stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = utcnow,
) -> bool:
    """Run up to twelve checks that are due for issues still to be sent; return True when there may be more.

    Opens its own transactions: each check is claimed before it runs and recorded as soon as it ends.
    """
    claimed = _claim_due(db, base_url, mail_setup, clock)
    if not claimed:
        return False
    with db.read() as session:
        mails = {
            request.target: _sample_mail(session, request.target, base_url, clock())
            for request in claimed
            if request.kind == "spam"
        }
    with ThreadPoolExecutor(MAX_CONCURRENT, "external-check") as pool:
        running = {
            pool.submit(_run_check, request, mail_setup, host_policy, mails, is_stopping): request
            for request in claimed
        }
        for future in as_completed(running):
            result = _result_of(future, running[future])
            if result is not None:
                with db.begin() as session:
                    external_check_queue.store_result(session, running[future], result, clock())
    return True


def _claim_due(
    db: Database, base_url: str, mail_setup: MailSetup, clock: Callable[[], datetime]
) -> list[CheckRequest]:
    with db.read() as session:
        requests = list(_list_all_requests(session, base_url, mail_setup))
        due = external_check_queue.list_due(session, requests, clock())
    if not due:
        return []
    with db.begin() as session:
        return external_check_queue.claim(session, due[:MAX_CHECKS_PER_RUN], clock())


def _result_of(future: Future[dict[str, Any] | None], request: CheckRequest) -> dict[str, Any] | None:
    """The result, or that the check itself failed: one failure must not lose the results of the others."""
    try:
        return future.result()
    except Exception as error:
        LOG.exception("external check failed", extra={"kind": request.kind})
        return {"problem": f"the check failed ({type(error).__name__})", "is_inconclusive": True}


def _run_check(
    request: CheckRequest,
    mail_setup: MailSetup,
    host_policy: HostPolicy,
    mails: Mapping[str, bytes | None],
    is_stopping: Callable[[], bool],
) -> dict[str, Any] | None:
    """The result as a JSON object; None when the process is asked to stop first."""
    if is_stopping():
        return None
    if request.kind == "link":
        return asdict(check_link(request.target, host_policy=host_policy))
    if request.kind == "sender":
        results = sender_auth.check_sender(
            request.target,
            relay=mail_setup.relay,
            selectors=mail_setup.dkim_selectors,
            lookup=_interruptible_lookup(is_stopping),
        )
        return None if is_stopping() else {"sender_auth": [asdict(result) for result in results]}
    return _score_spam(mails.get(request.target))


def _interruptible_lookup(is_stopping: Callable[[], bool]) -> Callable[[str], list[str]]:
    """A DNS lookup that gives up when the process is asked to stop: two dozen questions may take seconds each."""

    def lookup(name: str) -> list[str]:
        if is_stopping():
            raise Unavailable("the worker is stopping")
        return dns.txt_records(name)

    return lookup


def _score_spam(mail: bytes | None) -> dict[str, Any]:
    if not spam.is_installed():
        return {"is_missing": True}
    if mail is None:
        return {"problem": "the text changed in the meantime"}
    try:
        return asdict(spam.score_mail(mail))
    except Unavailable as error:
        return {"problem": str(error)}


def _list_all_requests(session: Session, base_url: str, mail_setup: MailSetup) -> Iterator[CheckRequest]:
    """The requests of every issue that may still be sent, without duplicates."""
    seen: set[tuple[str, str]] = set()
    for issue in _list_editable_issues(session):
        edition = editions.build_edition(session, issue, base_url)
        for request in external_check_queue.list_requests(issue, edition, mail_setup):
            if request.key not in seen:
                seen.add(request.key)
                yield request


def _list_editable_issues(session: Session) -> list[Issue]:
    rows = select(Issue).where(Issue.state.in_(_EDITABLE), Issue.release_at.is_(None))
    rows = rows.options(joinedload(Issue.publication), selectinload(Issue.picks)).order_by(Issue.id)
    return list(session.scalars(rows))


def _sample_mail(session: Session, content_hash: str, base_url: str, now: datetime) -> bytes | None:
    """The largest variant of the issue with this content, as sent now; None when no issue has it or it cannot be."""
    for issue in _list_editable_issues(session):
        edition = editions.build_edition(session, issue, base_url)
        if external_check_queue.content_hash(edition) != content_hash:
            continue
        domain = edition.masthead.sender_address.rpartition("@")[2]
        try:
            return render_sample_mail(compile_issue(edition, dated=now), domain)
        except BadInput:
            return None
    return None

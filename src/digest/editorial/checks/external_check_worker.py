"""The worker's part of the checks: to look outside, a few things at a time, and write down what is there."""

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
from digest.editorial.checks.external_check_queue import MailSetup, CheckRequest
from digest.editorial.models import Issue, State
from digest.errors import BadInput, Unavailable
from digest.external_checks import dns, sender_auth, spam
from digest.external_checks.http import check_link
from digest.external_checks.ssrf import DEFAULT_POLICY, HostPolicy
from digest.render.compile import press
from digest.render.message_template import Reader, masked

LOG = logging.getLogger(__name__)

MAX_CONCURRENT: Final = 4  # links, so that a site that has them all is not stormed
MAX_CHECKS_PER_RUN: Final = 12  # things in one go: a deploy waits no longer than they take
_OPEN: Final = (State.DRAFT, State.SCHEDULED, State.PAUSED)


def run_due_checks(
    db: Database,
    *,
    base_url: str,
    mail_setup: MailSetup,
    host_policy: HostPolicy = DEFAULT_POLICY,
    is_stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = utcnow,
) -> bool:
    """Look at what is due for every open issue, up to twelve things; True when there may be more.

    Opens its own transactions: what is looked at is claimed before, and written down as soon as it is known.
    """
    with db.read() as session:
        wanted = list(_wanted(session, base_url, mail_setup))
        due = external_check_queue.list_due(session, wanted, clock())
    if not due:
        return False
    with db.begin() as session:
        mine = external_check_queue.claim(session, due[:MAX_CHECKS_PER_RUN], clock())
    with db.read() as session:
        mails = {
            one.target: _mail(session, one.target, base_url, clock()) for one in mine if one.kind == "spam"
        }
    if not mine:
        return False
    with ThreadPoolExecutor(MAX_CONCURRENT, "look") as people:
        going = {people.submit(_look, one, mail_setup, host_policy, mails, is_stopping): one for one in mine}
        for done in as_completed(going):
            found = _found(done, going[done])
            if found is not None:
                with db.begin() as session:
                    external_check_queue.store_result(session, going[done], found, clock())
    return True


def _found(done: Future[dict[str, Any] | None], one: CheckRequest) -> dict[str, Any] | None:
    """What was seen, or that looking at this one thing failed: the others are written down all the same."""
    try:
        return done.result()
    except Exception as error:  # whatever it is, it is about this one thing
        LOG.exception("a look outside failed", extra={"kind": one.kind})
        return {"trouble": f"looking failed here ({type(error).__name__})", "unsure": True}


def _look(
    one: CheckRequest,
    outside: MailSetup,
    allowed: HostPolicy,
    mails: Mapping[str, bytes | None],
    stopping: Callable[[], bool],
) -> dict[str, Any] | None:
    """What is there, as JSON has it; None when the process is asked to stop before."""
    if stopping():
        return None
    if one.kind == "link":
        seen = check_link(one.target, host_policy=allowed)
        return asdict(seen)
    if one.kind == "sender":
        proofs = sender_auth.check_sender(
            one.target, relay=outside.relay, selectors=outside.dkim_selectors, lookup=_asking(stopping)
        )
        return None if stopping() else {"proofs": [asdict(proof) for proof in proofs]}
    return _score(mails.get(one.target))


def _asking(stopping: Callable[[], bool]) -> Callable[[str], list[str]]:
    """The DNS, until the process is asked to stop: there are two dozen questions, and each may wait for seconds."""

    def ask(name: str) -> list[str]:
        if stopping():
            raise Unavailable("the worker was asked to stop")
        return dns.txt_records(name)

    return ask


def _score(mail: bytes | None) -> dict[str, Any]:
    if not spam.is_installed():
        return {"absent": True}
    if mail is None:
        return {"trouble": "the text changed meanwhile"}
    try:
        return asdict(spam.score_mail(mail))
    except Unavailable as error:
        return {"trouble": str(error)}


def _wanted(session: Session, base_url: str, outside: MailSetup) -> Iterator[CheckRequest]:
    """Of every issue that may still go out, each thing once."""
    told: set[tuple[str, str]] = set()
    for issue in _issues(session):
        for one in external_check_queue.list_requests(issue, editions.build_edition(session, issue, base_url), outside):
            if one.key not in told:
                told.add(one.key)
                yield one


def _issues(session: Session) -> list[Issue]:
    rows = select(Issue).where(Issue.state.in_(_OPEN), Issue.release_at.is_(None))
    rows = rows.options(joinedload(Issue.publication), selectinload(Issue.picks)).order_by(Issue.id)
    return list(session.scalars(rows))


def _mail(session: Session, name: str, base_url: str, now: datetime) -> bytes | None:
    """The largest mail of the issue that says what this name stands for, as if it left now; None: none does."""
    for issue in _issues(session):
        edition = editions.build_edition(session, issue, base_url)
        if external_check_queue.content_hash(edition) == name:
            try:
                plate = press(edition, dated=now).plate()
            except BadInput:
                return None
            text, html = masked("r•••@example.org")
            domain = edition.masthead.sender_address.rpartition("@")[2]
            token = b"x" * 44
            return plate.fill(
                Reader(
                    b"reader@example.org",
                    f"{token.decode()}@{domain}".encode(),
                    token,
                    token,
                    text,
                    html,
                    token,
                )
            )
    return None

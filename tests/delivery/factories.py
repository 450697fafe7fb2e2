"""Builders for the tests of sending: an issue that is on the calendar, its readers, and a run of the whole path."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session
from tests.snapshots import create_once

from digest.audience.models import Subscriber, Subscription
from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.db import Database, utcnow
from digest.delivery.ledger.counts import OutcomeCounts, count_outcomes
from digest.delivery.ledger.models import Delivery, Outcome
from digest.delivery.relays.accounts import SendLimits, SmtpAccounts
from digest.delivery.relays.domains import DomainThrottle
from digest.delivery.release import freeze
from digest.delivery.sending import worker
from digest.delivery.sending.reconciliation import reconcile_issues
from digest.delivery.sending.send_context import SendContext
from digest.editorial.models import Issue, Pick, State
from digest.installation.progress_memory import ProgressMemory
from digest.publications import publications
from digest.signing import Signer
from digest.smtp.url import relay_from_url

BASE = "https://news.example.org"
KEYS = ["the-newest-key-of-the-tests-0123456789", "an-older-key-of-the-tests-0123456789abc"]
EARLIER = datetime(2026, 10, 12, 8, 0, tzinfo=UTC)
SOON = timedelta(milliseconds=1)
RETRY_DELAY = timedelta(minutes=15)


def issue(session: Session, *, picks: int = 2, readers: int = 0, hold: int = 0) -> Issue:
    """A scheduled issue of a new publication with so many readers: reader1@example.org and so on."""
    publication = publications.create(
        session, now=EARLIER, name="Weekly Verdicts", sender_address="digest@verdicts.example.org"
    )
    made = Issue(
        publication_id=publication.id,
        number=1,
        state=State.SCHEDULED,
        subject="Five verdicts",
        preheader="Ship or skip",
        intro="Good morning.",
        drafted_at=EARLIER,
        send_at=EARLIER,
        hold_minutes=hold,
    )
    session.add(made)
    session.flush()
    for number in range(1, picks + 1):
        version = _comparison(session, f"Left {number}", f"Right {number}")
        session.add(
            Pick(
                issue_id=made.id,
                comparison_id=version.comparison_id,
                version_id=version.id,
                position=number,
                reason="new",
            )
        )
    session.flush()
    if readers:
        add_readers(session, publication.id, readers)
    return made


def add_readers(session: Session, publication_id: int, number: int, first: int = 1) -> None:
    numbers = range(first, first + number)
    session.execute(
        insert(Subscriber),
        [{"id": n, "address": address(n), "address_key": address(n), "created_at": EARLIER} for n in numbers],
    )
    session.execute(
        insert(Subscription),
        [
            {
                "subscriber_id": n,
                "publication_id": publication_id,
                "status": "active",
                "source": "test",
                "requested_at": EARLIER,
                "confirmed_at": EARLIER,
            }
            for n in numbers
        ],
    )


def address(number: int) -> str:
    return f"reader{number}@example.org"


def frozen(db: Database, *, readers: int, picks: int = 2, hold: int = 0, connections: int = 1) -> int:
    """An issue whose audience is written down; gives its row."""
    name = ("frozen", readers, picks, hold, connections)
    return create_once(db, name, lambda: _freeze(db, readers, picks, hold, connections))


def _freeze(db: Database, readers: int, picks: int, hold: int, connections: int) -> int:
    with db.begin() as session:
        made = issue(session, readers=readers, picks=picks, hold=hold)
        freeze.freeze(session, made, signer=Signer(KEYS), base_url=BASE, now=utcnow())
        number = made.id
    write_audience(db, number, connections)
    return number


def write_audience(db: Database, issue_id: int, connections: int = 1) -> None:
    """Write down who is to get a frozen issue, as the clock does."""
    done = False
    while not done:
        with db.begin() as session:
            done = freeze.write_next_audience(session, issue_id, utcnow(), connections=connections)


def work(db: Database, home: Path, url: str, **given: object) -> worker.SendResult:
    """One run of sending, with short waits."""
    tools: dict[str, object] = {
        "signer": Signer(KEYS),
        "relay": relay_from_url(url),
        "home": home,
        "retry_delay": SOON,
        **given,
    }
    return worker.send_due_batches(db, **tools)  # type: ignore[arg-type]


def reconcile(db: Database, now: datetime | None = None) -> list[int]:
    """Reconcile as the clock does; the issues that ended just now."""

    def run_in_steps(step: Callable[[Session], bool]) -> None:
        done = False
        while not done:
            with db.begin() as session:
                done = step(session)

    return reconcile_issues(db, now or utcnow(), run_in_steps, connections=1)


def send_context(
    db: Database,
    home: Path,
    *,
    relay: str = "smtp://127.0.0.1:1",
    clock: Callable[[], datetime] = utcnow,
    retry_delay: timedelta = RETRY_DELAY,
) -> SendContext:
    """What the connections of a run share, with a relay that nobody connects to."""
    limits = SendLimits()
    return SendContext(
        db=db,
        signer=Signer(KEYS),
        accounts=SmtpAccounts(relay_from_url(relay), limits),
        domains=DomainThrottle(limits.rate_limiter, limits.domains),
        home=home,
        memory=ProgressMemory(home, "test"),
        retry_delay=retry_delay,
        clock=clock,
        stopping=lambda: False,
        deadline=time.monotonic() + 60,
    )


def until_done(
    db: Database, home: Path, url: str, issue_id: int, runs: int = 30, **given: object
) -> OutcomeCounts:
    """Tick and work as the clock does, until nothing remains or so many runs are over; the sums hold in between."""
    found = tally(db, issue_id)
    for _ in range(runs):
        reconcile(db)
        work(db, home, url, **given)
        found = tally(db, issue_id)
        assert adds_up(found)
        if reconcile(db) or found.remaining == 0:
            break
        impatient(db)
    return found


def impatient(db: Database) -> None:
    """Let every waiting time be over: the tests do not sleep."""
    from digest.delivery.ledger.models import FrozenIssue

    past = utcnow() - timedelta(seconds=1)
    with db.begin() as session:
        session.execute(update(Delivery).where(Delivery.due_at.is_not(None)).values(due_at=past))
        session.execute(
            update(FrozenIssue).where(FrozenIssue.backoff_until.is_not(None)).values(backoff_until=past)
        )


def tally(db: Database, issue_id: int) -> OutcomeCounts:
    """Counted from every row; what is shown, which reads fewer, must say the same."""
    with db.read() as session:
        if db.engine.dialect.name == "postgresql":  # both of one moment
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        found = recount_outcomes(session, issue_id)
        assert count_outcomes(session, issue_id) == found
        return found


def recount_outcomes(session: Session, issue_id: int) -> OutcomeCounts:
    """What `count_outcomes` says, from every row."""
    columns = (Delivery.outcome, Delivery.reason, func.count())
    rows = select(*columns).where(Delivery.issue_id == issue_id).group_by(Delivery.outcome, Delivery.reason)
    sums: Counter[str | None] = Counter()
    reasons: dict[str, dict[str, int]] = {}
    for outcome, reason, number in session.execute(rows):
        sums[outcome] += number
        if outcome and reason:
            reasons.setdefault(outcome, {})[reason] = number
    return OutcomeCounts(
        planned=sums.total(),
        remaining=sums[None],
        reasons=reasons,
        **{outcome.value: sums[outcome.value] for outcome in Outcome},
    )


def adds_up(found: OutcomeCounts) -> bool:
    parts = found.accepted + found.excluded + found.failed + found.unknown + found.remaining
    return found.planned == parts


def state(db: Database, issue_id: int) -> Issue:
    with db.read() as session:
        found = session.get_one(Issue, issue_id)
        session.expunge_all()
        return found


def row(db: Database, issue_id: int, subscriber_id: int) -> Delivery:
    with db.read() as session:
        found = session.get_one(Delivery, (issue_id, subscriber_id))
        session.expunge_all()
        return found


def change(db: Database, act: Callable[[Session], object]) -> None:
    with db.begin() as session:
        act(session)


def _comparison(session: Session, left: str, right: str) -> ComparisonVersion:
    slug = f"{left}-vs-{right}".lower().replace(" ", "-")
    comparison = Comparison(slug=slug, added_at=EARLIER)
    sides = []
    for name in (left, right):
        tool = Tool(slug=name.lower().replace(" ", "-"), name=name)
        sides.append(
            Review(
                tool=tool,
                fingerprint=name,
                tagline=f"{name} does one thing",
                category="Writing",
                panel_ship=75,
                community_ship=None,
                entry_price="Free",
                description="It does what it says, and says what it does.",
                added_at=EARLIER,
            )
        )
    version = ComparisonVersion(
        comparison=comparison,
        number=1,
        fingerprint=slug,
        left=sides[0],
        right=sides[1],
        source="test",
        published_at=EARLIER,
        imported_at=EARLIER,
        quotes=[
            Quote(
                reviewer=place, side=side, text=f"Reviewer {place} speaks of the {side} one at some length."
            )
            for place in range(1, 5)
            for side in ("left", "right")
        ],
    )
    session.add(version)
    session.flush()
    return version

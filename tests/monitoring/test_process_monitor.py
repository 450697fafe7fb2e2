"""Each process reports itself, and says once what is wrong, and once that it is over."""

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import OperationalError
from tests.monitoring.beats import report
from tests.web.factories import make_site

from digest.backup.schedule import BackupPlan, parse_backup_plan
from digest.db import Database, database_now, utcnow
from digest.delivery.ledger.models import FrozenIssue, Letter
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.monitoring import alerts, heartbeats
from digest.monitoring.heartbeats import Kind
from digest.monitoring.models import Alert, Heartbeat
from digest.monitoring.problems import Problem
from digest.process_monitor import ProcessMonitor, QueueReporter
from digest.services import Services
from digest.webhook import TIMEOUT_SECONDS, Webhook

SECRET = "whsec_" + base64.b64encode(b"a key of the tests").decode()


class Receiver:
    """A webhook's receiver: what it got, and what it answers."""

    def __init__(self) -> None:
        self.status, self.bodies, self.headers = 200, list[dict[str, Any]](), list[dict[str, str]]()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.bodies.append(json.loads(data))
                receiver.headers.append(
                    {k.lower(): v for k, v in self.headers.items()} | {"raw": data.decode()}
                )
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=private"

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.bodies]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def monitor(
    db: Database,
    home: Path,
    receiver: Receiver | None,
    kind: Kind = Kind.WEB,
    backup_plan: BackupPlan | None = None,
) -> ProcessMonitor:
    """A process that has run for an hour."""
    hook = Webhook(receiver.url, SECRET) if receiver else None
    services: Services = make_site(db, home).app.extensions["digest"]
    services = Services(**{**vars(services), "alert_webhook": hook, "backup_plan": backup_plan})
    clock = Clock()
    made = ProcessMonitor(lambda: services, kind, clock=clock)
    clock.now += 3600
    return made


def alert_keys(db: Database) -> list[str]:
    with db.read() as session:
        return [alert.key for alert in alerts.list_open(session)]


def test_a_process_reports_itself_and_its_end(db: Database, tmp_path: Path) -> None:
    worker = monitor(db, tmp_path, None, Kind.WORKER)
    worker.run_once()
    with db.read() as session:
        pulses = heartbeats.read(session, database_now(session))
        assert heartbeats.is_alive(pulses, Kind.WORKER)
    worker.stop()
    worker.run_once()
    with db.read() as session:
        assert session.scalars(select(Heartbeat.stopped_at)).one() is not None


def test_dead_workers_are_told_of_once_and_again_when_they_are_back(
    db: Database, tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    report(db, "worker", "beat", ago=timedelta(minutes=4))
    processes = [monitor(db, tmp_path, receiver) for _ in range(2)]
    with caplog.at_level(logging.WARNING):
        for process in processes * 2:
            process.run_once()
    assert alert_keys(db) == ["beat", "worker"] or alert_keys(db) == ["worker", "beat"]
    assert len(receiver.texts) == 2
    assert any("No worker has reported for 4 minutes." in text for text in receiver.texts)
    opened = [record for record in caplog.records if record.message == "alert opened"]
    assert [record.levelname for record in opened] == ["ERROR", "ERROR"]
    report(db, "worker", "beat", "queue")
    for process in processes * 2:
        process.run_once()
    assert alert_keys(db) == []
    assert sum("Resolved after" in text for text in receiver.texts) == 2
    assert len(receiver.texts) == 4
    assert [body["type"] for body in receiver.bodies] == ["alert.opened"] * 2 + ["alert.resolved"] * 2


def test_a_message_is_signed_as_standard_webhooks_says(
    sqlite: Database, tmp_path: Path, receiver: Receiver
) -> None:
    report(sqlite, "worker", "queue")
    report(sqlite, "beat", ago=timedelta(minutes=4))
    monitor(sqlite, tmp_path, receiver).run_once()
    (got,) = receiver.headers
    signed = f"{got['webhook-id']}.{got['webhook-timestamp']}.{got['raw']}".encode()
    tag = hmac.digest(b"a key of the tests", signed, hashlib.sha256)
    assert got["webhook-signature"] == f"v1,{base64.b64encode(tag).decode()}"
    assert receiver.bodies[0]["data"]["site"] == "https://news.example.org"


@pytest.mark.parametrize("status", [500, 302])
def test_a_receiver_that_refuses_is_tried_again_with_the_same_id_and_given_up(
    sqlite: Database, tmp_path: Path, receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = status
    report(sqlite, "worker", "queue")
    report(sqlite, "beat", ago=timedelta(minutes=4))
    process = monitor(sqlite, tmp_path, receiver)
    for _ in range(len(alerts.RETRY_DELAYS) + 3):
        process.run_once()
        process.run_once()
        with sqlite.begin() as session:
            due = update(Alert).where(Alert.webhook_due_at.is_not(None))
            session.execute(due.values(webhook_due_at=database_now(session)))
    assert len(receiver.bodies) == len(alerts.RETRY_DELAYS) + 1
    assert len({got["webhook-id"] for got in receiver.headers}) == 1
    assert "private" not in caplog.text


def test_a_receiver_that_hangs_delays_no_heartbeat_until_its_process_counts_as_silent(db: Database) -> None:
    found = [Problem(f"issue:{number}:late", "It is late.", "look") for number in range(9)]
    with db.begin() as session:
        now = database_now(session)
        alerts.update_alerts(session, found, "host", now, has_webhook=True)
        claimed = len(alerts.claim_due(session, now))
    assert claimed * timedelta(seconds=TIMEOUT_SECONDS) + heartbeats.INTERVAL < heartbeats.SILENT_AFTER
    told = claimed
    while claimed:
        with db.begin() as session:
            claimed = len(alerts.claim_due(session, now))
            told += claimed
    assert told == len(found)


def test_a_process_that_has_just_started_judges_nobody(
    db: Database, tmp_path: Path, receiver: Receiver
) -> None:
    report(db, "worker", "beat", ago=timedelta(minutes=4))
    monitor(db, tmp_path, receiver).run_once()
    fresh = monitor(db, tmp_path, receiver)
    fresh._began = fresh._clock()
    report(db, "worker", "beat", "queue")
    fresh.run_once()
    assert len(alert_keys(db)) == 2


def test_an_issue_that_the_relay_stopped_is_an_alert_and_one_that_a_person_paused_is_not(
    db: Database, tmp_path: Path, receiver: Receiver
) -> None:
    from tests.web.conftest import fill

    fill(make_site(db, tmp_path))
    report(db, "worker", "beat", "queue")
    process = monitor(db, tmp_path, receiver)
    for actor in ("desk", "relay"):
        with db.begin() as session:
            issue = session.get_one(Issue, 1)
            issue.state = State.SENDING
            session.flush()
            transitions.change_state(
                session, issue, State.PAUSED, now=database_now(session), actor=actor, reason="535 no"
            )
        process.run_once()
    assert alert_keys(db) == ["issue:1:paused"]
    assert "Issue 41 of Ship or Skip is paused: 535 no." in receiver.texts[0]
    with db.begin() as session:
        transitions.change_state(
            session, session.get_one(Issue, 1), State.SENDING, now=database_now(session), actor="desk"
        )
        session.get_one(FrozenIssue, 1).stall_notified_at = database_now(session)
    process.run_once()
    assert alert_keys(db) == ["issue:1:stalled"]


def test_letters_that_no_mail_server_lets_us_send_are_an_alert_and_a_greylisted_one_is_not(
    db: Database, tmp_path: Path, receiver: Receiver
) -> None:
    report(db, "worker", "beat", "queue")
    process = monitor(db, tmp_path, receiver)
    with db.begin() as session:
        now = database_now(session)
        written = {
            "kind": "confirm",
            "due_at": now + timedelta(hours=1),
            "created_at": now - timedelta(minutes=20),
        }
        session.add(Letter(reply="451 4.7.1 greylisted", **written))
    process.run_once()
    assert alert_keys(db) == []
    with db.begin() as session:
        session.add(Letter(reply="the relay refuses us at login: 535 5.7.8 no", **written))
    process.run_once()
    assert "A single email has waited for more than 15 minutes" in receiver.texts[0]
    assert "535 5.7.8 no" in receiver.texts[0]


def test_a_full_disk_is_an_alert_of_its_own_machine(
    sqlite: Database, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(sqlite, "worker", "beat", "queue")
    process = monitor(sqlite, tmp_path, receiver)
    monkeypatch.setattr("digest.monitoring.disk.MIN_BYTES", 1 << 62)
    process.run_once()
    assert len(alert_keys(sqlite)) == 1
    report(sqlite, "worker", name="another:1")
    with sqlite.begin() as session:
        session.execute(update(Alert).values(host="another"))
    monkeypatch.undo()
    process.run_once()
    assert len(alert_keys(sqlite)) == 1  # only that machine can say that it is over
    with sqlite.begin() as session:
        session.execute(delete(Heartbeat).where(Heartbeat.name == "another:1"))
    process.run_once()
    assert alert_keys(sqlite) == []  # until it is gone for good


def test_processes_that_raise_several_alerts_at_once_do_not_lock_each_other_out(postgres: Database) -> None:
    first, second = (Problem(key, "it is wrong", "mend it") for key in ("first", "second"))

    def update(*found: Problem) -> None:
        with postgres.begin() as session:
            alerts.update_alerts(session, found, "host", utcnow(), has_webhook=False)

    other = Thread(target=update, args=(second, first))
    with postgres.begin() as session:
        alerts.update_alerts(session, [first], "host", utcnow(), has_webhook=False)
        other.start()
        wait_until_blocked(postgres)
        alerts.update_alerts(session, [first, second], "host", utcnow(), has_webhook=False)
    other.join(10)
    assert alert_keys(postgres) == ["first", "second"]


def wait_until_blocked(db: Database) -> None:
    """Until a session of the database waits for another's lock."""
    waiting = "datname = current_database() AND wait_event_type = 'Lock'"
    while True:
        with db.read() as session:
            if session.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {waiting}")):
                return
        time.sleep(0.01)


def test_a_clock_that_is_off_is_told_of(
    postgres: Database, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(postgres, "worker", "beat", "queue")
    process = monitor(postgres, tmp_path, receiver)
    for off in (timedelta(seconds=50), timedelta(hours=1, seconds=5), timedelta(hours=-1, seconds=-5)):
        monkeypatch.setattr("digest.process_monitor.utcnow", lambda off=off: utcnow() + off)
        process.run_once()
    assert [body["type"] for body in receiver.bodies] == ["alert.opened"]
    assert "1 hour ahead of the database's. To fix it, set both with NTP." in receiver.texts[0]
    monkeypatch.undo()
    process.run_once()
    assert alert_keys(postgres) == []


def test_a_full_disk_is_not_resolved_by_a_process_whose_home_is_on_another(
    sqlite: Database, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(sqlite, "worker", "beat", "queue")
    full, roomy = tmp_path / "full", tmp_path / "roomy"
    for home in (full, roomy):
        home.mkdir()
    usage = lambda home: SimpleNamespace(free=(1 if home == full else 999) * 1024**2)  # noqa: E731
    monkeypatch.setattr("digest.monitoring.disk.shutil.disk_usage", usage)
    processes = [monitor(sqlite, full, receiver, Kind.WORKER), monitor(sqlite, roomy, receiver)]
    for process in processes * 2:
        process.run_once()
    assert [body["type"] for body in receiver.bodies] == ["alert.opened"]
    full.rmdir()  # that home was moved, and nobody is left to say so
    processes[1].run_once()
    assert [body["type"] for body in receiver.bodies] == ["alert.opened", "alert.resolved"]


def test_a_disk_at_the_limit_and_processes_that_disagree_raise_one_alert_each(
    sqlite: Database, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the worker where the folder is has the setting; the others know the schedule from its last backup."""
    report(sqlite, "worker", "beat", "queue")
    with sqlite.begin() as session:
        heartbeats.record_backup(session, database_now(session) - timedelta(days=3), timedelta(days=1))
    plan = parse_backup_plan(f"{tmp_path} daily")
    processes = [
        monitor(sqlite, tmp_path, receiver, Kind.WORKER, plan),
        monitor(sqlite, tmp_path, receiver),
    ]
    free = iter([199, 201, 199, 399])
    usage = lambda _: SimpleNamespace(free=next(free) * 1024**2)  # noqa: E731
    monkeypatch.setattr("digest.monitoring.disk.shutil.disk_usage", usage)
    for process in processes * 2:
        process.run_once()
    assert sorted(body["data"]["key"].partition(":")[0] for body in receiver.bodies) == ["backup", "disk"]
    monkeypatch.undo()
    with sqlite.begin() as session:
        heartbeats.record_backup(session, database_now(session))
    for process in processes:
        process.run_once()
    assert [body["type"] for body in receiver.bodies] == ["alert.opened"] * 2 + ["alert.resolved"] * 2


def test_a_database_that_cannot_be_written_is_told_of_without_it(
    sqlite: Database, tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    report(sqlite, "worker", "beat", "queue")
    process = monitor(sqlite, tmp_path, receiver)
    with sqlite.begin() as session:
        session.connection().exec_driver_sql("alter table heartbeat rename to away")
    for _ in range(3):
        process.run_once()
        process._clock.now += 40  # type: ignore[attr-defined]
    assert len(receiver.texts) == 1
    assert "has not been able to write to the database" in receiver.texts[0]
    with sqlite.begin() as session:
        session.connection().exec_driver_sql("alter table away rename to heartbeat")
    process.run_once()
    assert "can write to the database again" in receiver.texts[1]
    assert caplog.text.count("alert opened") == 1


def test_a_queue_is_reported_now_and_then_and_never_in_the_way(db: Database) -> None:
    clock = Clock()
    reporter = QueueReporter(lambda: db, clock)
    ran = []
    task = reporter.wrap("letters", lambda: ran.append(1))
    for _ in range(3):
        task()
    with db.read() as session:
        first = session.scalars(select(Heartbeat.seen_at)).one()
    clock.now += 20
    task()
    with db.read() as session:
        assert session.scalars(select(Heartbeat.seen_at)).one() > first

    def broken() -> Database:
        raise OperationalError("select", {}, Exception("gone"))

    QueueReporter(broken).report("send")
    assert len(ran) == 4

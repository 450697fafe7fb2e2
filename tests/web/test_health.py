"""Liveness, readiness and metrics."""

import re
import threading
from datetime import timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import TimeoutError as NoConnection
from tests.monitoring.beats import report
from tests.web.factories import Site
from tests.web.subscribers import create_subscriber

from digest.db import utcnow
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Letter
from digest.monitoring import alerts
from digest.monitoring.problems import Problem
from digest.web import health


def test_liveness_depends_on_nothing(shop: Site) -> None:
    assert shop.app.test_client().get("/healthz").text == "ok\n"


def test_readiness_names_only_what_does_not_answer(shop: Site) -> None:
    def broken() -> None:
        raise ConnectionError("redis://secret@host is gone")

    shop.app.extensions["digest.ready"]["broker"] = broken
    answer = shop.app.test_client().get("/readyz")
    assert answer.status_code == 503
    told = answer.get_json()
    assert (told["ready"], told["database"], told["broker"]) == (False, "ok", "not ready: ConnectionError")
    assert "secret" not in answer.text
    stranger = shop.app.test_client().get("/readyz", environ_base={"REMOTE_ADDR": "9.9.9.9"})
    assert stranger.get_json()["broker"] == "not ready"


def test_a_server_whose_connections_are_all_in_use_is_not_ready_and_says_so(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out(*_: object) -> None:
        raise NoConnection("QueuePool limit reached")

    monkeypatch.setattr("digest.web.health.heartbeats.read", time_out)
    answer = shop.app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["database"]) == (503, "not ready: TimeoutError")
    monkeypatch.setattr("digest.web.public.front_page.services", time_out)
    page = shop.app.test_client().get("/")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "30")


def test_probes_of_a_database_that_hangs_end_and_take_no_thread_each(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    shop.app.extensions["digest.ready"]["database"] = lambda: answers.wait(20)
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.05)
    client = shop.app.test_client()
    try:
        for _ in range(3):
            answer = client.get("/readyz")
            assert (answer.status_code, answer.get_json()["database"]) == (
                503,
                "not ready: no answer in 0.05 s",
            )
        assert sum(thread.name.startswith("readyz") for thread in threading.enumerate()) == 1
    finally:
        answers.set()
    monkeypatch.undo()
    assert client.get("/readyz").get_json()["ready"]  # by itself, once it answers


def test_readiness_tells_who_is_silent_and_stays_ready(shop: Site) -> None:
    report(shop.db, "worker", "beat", ago=timedelta(minutes=4))
    client = shop.app.test_client()
    answer = client.get("/readyz")
    told = answer.get_json()
    assert (answer.status_code, told["ready"], told["working"]) == (200, True, "no")
    worker = next(one for one in told["heartbeats"] if one["kind"] == "worker")
    assert worker["silent"]
    assert 239 < worker["age_seconds"] < 300
    assert "No worker has reported for 4 minutes." in told["problems"][0]
    public = client.get("/readyz", environ_base={"REMOTE_ADDR": "9.9.9.9"}).get_json()
    assert public["working"] == "no"
    assert not {"heartbeats", "problems", "alerts"} & set(public)
    report(shop.db, "worker", "beat", "queue")
    assert client.get("/readyz").get_json()["working"] == "yes"


def test_the_metrics_show_who_reports_and_what_is_wrong(shop: Site) -> None:
    report(shop.db, "worker", ago=timedelta(minutes=4))
    report(shop.db, "beat")
    with shop.db.begin() as session:
        silent = [Problem("worker", "No worker", "start one")]
        alerts.update_alerts(session, silent, "host", utcnow(), has_webhook=False)
    page = shop.app.test_client().get("/metrics").text
    age = re.search(r'digest_heartbeat_age_seconds\{kind="worker",name="host:7"\} (\S+)', page)
    assert age
    assert 239 < float(age[1]) < 300
    assert 'digest_heartbeat_age_seconds{kind="queue",name="letters"} +Inf' in page
    assert 'digest_processes{kind="worker"} 0.0' in page
    assert 'digest_processes{kind="beat"} 1.0' in page
    assert 'digest_alerts{alert="worker"} 1.0' in page
    assert 'digest_issues{state="sent"} 1.0' in page
    assert "digest_issues_due 0.0" in page


def test_the_metrics_add_up(shop: Site) -> None:
    with shop.db.begin() as session:
        readers = [create_subscriber(session, 1, f"reader{n}@example.org") for n in range(6)]
        outcomes = ["accepted", "accepted", "accepted", "failed", "excluded", None]
        session.execute(
            insert(Delivery),
            [
                {"issue_id": 1, "subscriber_id": r, "outcome": o}
                for r, o in zip(readers, outcomes, strict=True)
            ],
        )
        session.get_one(FrozenIssue, 1).planned = len(outcomes)
        session.add(Batch(issue_id=1, due_at=utcnow(), size=1))
        from digest.editorial.models import Issue

        session.get_one(Issue, 1).state = "sending"
        session.add(Letter(kind="confirm", due_at=utcnow() - timedelta(minutes=5), created_at=utcnow()))
    page = shop.app.test_client().get("/metrics").text
    assert 'digest_deliveries{issue="41",outcome="accepted",publication="ship-or-skip"} 3.0' in page
    assert 'digest_deliveries{issue="41",outcome="remaining",publication="ship-or-skip"} 1.0' in page
    assert "digest_letters_waiting 1.0" in page
    age = float(page.split("\ndigest_letters_oldest_due_seconds ")[1].split()[0])
    assert 299 < age < 400


def test_the_metrics_are_not_public(shop: Site) -> None:
    client = shop.app.test_client()
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "9.9.9.9"}).status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "9.9.9.9"}).status_code == 404
    near = {"REMOTE_ADDR": "10.0.0.7"}
    assert client.get("/metrics", environ_base=near).status_code == 200
    # An unconfigured proxy on the local network forwards everybody, and claims to be local itself.
    claim = {"X-Forwarded-For": "10.0.0.8"}
    assert client.get("/metrics", environ_base=near, headers=claim).status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "9.9.9.9, 10.0.0.7"}).status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.8, 10.0.0.7"}).status_code == 200


@pytest.mark.parametrize(
    "said", [{"Via": "1.1 cache"}, {"X-Real-Ip": "9.9.9.9"}, {"X-Forwarded-Proto": "https"}, {}]
)
def test_a_proxy_that_does_not_say_for_whom_it_asks_gets_no_metrics(shop: Site, said: dict[str, str]) -> None:
    protocol = {} if said else {"SERVER_PROTOCOL": "HTTP/1.0"}  # nginx without any proxy_set_header
    client = shop.app.test_client()
    answer = client.get("/metrics", headers={"Host": "127.0.0.1:8000", **said}, environ_overrides=protocol)
    assert answer.status_code == 404
    forwarded = {"X-Forwarded-For": "10.0.0.9", **said}
    assert client.get("/metrics", headers=forwarded, environ_overrides=protocol).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("10.1.2.3", 200),
        ("[::1]:8000", 200),
        ("web:8000", 200),  # a container's name
        ("digest.internal", 200),
        ("news.example.org", 200),  # the site's own
        ("evil.example.org", 404),  # a page whose name now leads to us (DNS rebinding)
        ("127.0.0.1.evil.example", 404),
    ],
)
def test_metrics_answer_to_private_names_only(shop: Site, host: str, status: int) -> None:
    assert shop.app.test_client().get("/metrics", headers={"Host": host}).status_code == status

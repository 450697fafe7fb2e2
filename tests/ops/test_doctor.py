"""`digest doctor` finds what is wrong, says each thing once, and how to fix it."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from tests.monitoring.beats import report
from tests.web.conftest import fill
from tests.web.factories import KEYS, make_site

from digest.app import create_context
from digest.cli.doctor import address, keys, site
from digest.cli.doctor.command import doctor as command
from digest.cli.doctor.command import run_checks
from digest.cli.doctor.database import check_backup
from digest.cli.doctor.finding import Finding
from digest.cli.doctor.sender import check_sender
from digest.config.home_files import free_port
from digest.db import Database, database_now
from digest.delivery.ledger.models import FrozenIssue
from digest.editorial.models import Issue
from digest.external_checks.sender_auth import SenderAuthResult
from digest.external_checks.ssrf import HostPolicy
from digest.monitoring import heartbeats
from digest.publications import publications
from digest.schema import upgrade
from digest.signing import Signer


def doctor(
    home: Path, *words: str, limit_file_size: bool = False, **settings: str
) -> "subprocess.CompletedProcess[str]":
    def full_disk() -> None:
        if limit_file_size:  # every write fails, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    return subprocess.run(
        [sys.executable, "-m", "digest.app", "doctor", *words],
        env={**kept, "DIGEST_HOME": str(home), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=full_disk,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a database and nobody at work."""
    context = create_context(home=tmp_path)
    upgrade(context.services().db.engine)
    context.services().db.close()
    return tmp_path


def check(home: Path, **settings: object) -> dict[str, list[Finding]]:
    """What the doctor finds, by check."""
    context = create_context(home=home, **settings)
    found: dict[str, list[Finding]] = {}
    for finding in run_checks(context):
        found.setdefault(finding.check, []).append(finding)
    context.services().db.close()
    return found


def test_a_home_that_was_never_started_gets_advice_and_no_alarm(home: Path) -> None:
    done = doctor(home, "--json")
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert (found["up"]["status"], found["up"]["fix"]) == ("warn", "run `digest up`")
    assert found["broker"]["status"] == found["processes"]["status"] == found["relay"]["status"] == "skipped"
    assert found["database"]["status"] == found["disk"]["status"] == "ok"
    text = CliRunner().invoke(command, [], obj=create_context(home=home)).output
    assert text.count("digest up") == 2  # what is wrong, and the fix
    assert "skipped" not in text


def test_a_home_that_stopped_working_fails(home: Path) -> None:
    context = create_context(home=home)
    report(context.services().db, "worker", "beat", "queue", ago=timedelta(hours=10))
    (found,) = check(home)["up"]
    assert found.status == "bad"
    assert "last seen 10 hours ago" in found.summary


def test_an_empty_home_is_told_to_migrate_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = check(tmp_path)
    assert found["home"][0].summary == f"other users of this machine can read {tmp_path}"
    assert found["home"][0].fix == f"run `chmod -R go= {tmp_path}`"
    bad = [finding for findings in found.values() for finding in findings if finding.status == "bad"]
    assert [(finding.check, finding.fix) for finding in bad] == [("migrations", "run `digest init`")]


def test_a_full_disk_is_not_ok(home: Path) -> None:
    done = doctor(home, "--json", limit_file_size=True)
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["disk"]["status"] == "bad"
    assert "nothing can be written" in found["disk"]["summary"]
    assert found["database"]["status"] == "bad"


def test_a_bad_setting_is_exit_code_2(home: Path) -> None:
    done = doctor(home, DIGEST_BASE_URL="nonsense")
    assert done.returncode == 2
    assert done.stderr.startswith("digest: DIGEST_BASE_URL")


def test_dead_workers_and_schedulers_are_bad_and_a_dead_one_of_two_is_a_warning(home: Path) -> None:
    settings = {
        "broker_url": f"redis://127.0.0.1:{free_port()}/0",
        "smtp_url": f"smtp://127.0.0.1:{free_port()}",
    }
    db = create_context(home=home).services().db
    report(db, "worker", "beat", "queue")
    (working,) = (found := check(home, **settings))["processes"]
    assert (working.status, working.summary) == ("ok", "beat host:7 and worker host:7 report")
    assert "nothing listens on this port" in found["relay"][0].summary
    assert [found[name][0].status for name in ("broker", "queues", "helo")] == ["bad", "skipped", "skipped"]
    report(db, "worker", ago=timedelta(minutes=4), name="other:1")
    (lost, *_) = check(home, **settings)["processes"]
    assert (lost.status, "other:1 has not reported for 4 minutes" in lost.summary) == ("warn", True)
    report(db, "worker", "beat", ago=timedelta(minutes=4))
    bad = check(home, **settings)["processes"]
    assert [finding.status for finding in bad] == ["bad", "bad"]
    assert bad[0].summary == "No worker has reported for 4 minutes. Nothing is sent until one runs."


def test_a_backup_that_is_missing_is_a_warning_and_one_that_is_old_is_bad(home: Path) -> None:
    context = create_context(home=home)
    assert [finding.status for finding in check_backup(context)] == ["warn"]
    for days, status in ((1, "ok"), (9, "bad")):
        with context.services().db.begin() as session:
            heartbeats.record_backup(session, database_now(session) - timedelta(days=days))
        (found,) = check_backup(context)
        assert (found.status, f"{days} day" in found.summary) == (status, True)
    with context.services().db.begin() as session:
        heartbeats.record_backup(session, database_now(session) - timedelta(days=9), timedelta(days=7))
    assert [finding.status for finding in check_backup(context)] == ["ok"]


@pytest.mark.parametrize(
    ("url", "statuses", "words"),
    [
        ("https://news.example.org", ["ok"], ""),
        ("http://news.example.org", ["warn"], "without encryption"),
        ("https://10.0.0.7", ["warn"], "only your own network"),
        ("http://web", ["warn", "warn"], "only your own network"),
        ("https://news.internal", ["warn"], "only your own network"),
        ("http://127.0.0.1:8000", ["bad"], "which readers cannot open"),
    ],
)
def test_an_address_that_readers_cannot_use_is_named(url: str, statuses: list[str], words: str) -> None:
    settings = SimpleNamespace(base_url=url, is_embedded_mailbox=False)
    context: Any = SimpleNamespace(settings=lambda: settings)
    found = list(address.check_address(context))
    assert [finding.status for finding in found] == statuses
    assert words in found[0].summary


def test_keys_that_are_gone_or_left_behind_are_named(sqlite: Database, tmp_path: Path) -> None:
    made = fill(make_site(sqlite, tmp_path))
    services = made.app.extensions["digest"]
    settings = SimpleNamespace(home=tmp_path, has_generated_keys=False, is_embedded_database=True)
    context: Any = SimpleNamespace(settings=lambda: settings, services=lambda: services)
    assert [finding.status for finding in keys.check_keys(context)] == ["ok"]
    (tmp_path / "secret-keys").write_text("old")
    assert "are not used" in next(keys.check_keys(context)).summary
    assert "not even to unsubscribe" in next(keys.check_key_use(context)).summary
    with sqlite.begin() as session:
        session.get_one(Issue, 1).state = "sending"
    assert next(keys.check_key_use(context)).status == "bad"
    with sqlite.begin() as session:
        session.get_one(FrozenIssue, 1).key_id = Signer(KEYS[1:]).newest_key_id
    assert next(keys.check_key_use(context)).status == "ok"
    assert replace(services, signer=Signer(KEYS[:1])).signer.key_ids == (Signer(KEYS).newest_key_id,)


class Site(BaseHTTPRequestHandler):
    """Answers as digest does, redirects, or is another website."""

    def do_GET(self) -> None:
        host = self.headers["Host"].partition(":")[0]
        status = {"moved.example.org": 301, "other.example.org": 404}.get(host, 200)
        self.send_response(status)
        if status == 301:
            self.send_header("Location", f"http://news.example.org:{self.server.server_address[1]}/healthz")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  the server's own name

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Site)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("host", "status", "words"),
    [
        ("news.example.org", "ok", "opens"),
        ("moved.example.org", "bad", "unsubscribing with one click fails"),
        ("other.example.org", "bad", "the page was not found (404)"),
        ("private.example.org", "warn", "private network"),
        ("gone.example.org", "bad", "does not exist"),
    ],
)
def test_the_public_address_is_opened_as_a_reader_would(
    port: int, monkeypatch: pytest.MonkeyPatch, host: str, status: str, words: str
) -> None:
    def resolve(name: str) -> Sequence[Any]:
        known = {"private.example.org": ["10.0.0.7"], "gone.example.org": []}
        return [ip_address(text) for text in known.get(name, ["127.0.0.1"])]

    import digest.external_checks.ssrf as policies

    class LocalPolicy(HostPolicy):
        def __init__(self, ports: frozenset[int]) -> None:
            super().__init__(ports, (policies.IPv4Network("127.0.0.0/8"),))

    monkeypatch.setattr(policies, "HostPolicy", LocalPolicy)
    found = site.fetch_site(f"http://{host}:{port}", resolve)
    assert (found.status, words in found.summary) == (status, True), found


def test_each_record_that_a_sender_lacks_is_a_finding_of_its_own(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill(make_site(sqlite, tmp_path))
    settings = SimpleNamespace(is_embedded_mailbox=False)
    context: Any = SimpleNamespace(settings=lambda: settings, services=lambda: made.app.extensions["digest"])
    results = [
        SenderAuthResult("SPF", "missing", "No SPF.", "Add:", "record"),
        SenderAuthResult("DKIM", "missing", "No DKIM.", "Set the selector."),
        SenderAuthResult("DMARC", "weak", "No policy.", "Change it."),
    ]
    monkeypatch.setattr("digest.external_checks.sender_auth.check_sender", lambda *_, **__: results)
    found = [(finding.status, finding.summary, finding.fix) for finding in check_sender(context)]
    assert found == [
        ("bad", "No SPF.", "Add: record"),
        ("warn", "No DKIM.", "Set the selector."),  # it may have a name that was not tried
        ("warn", "No policy.", "Change it."),
    ]
    with sqlite.begin() as session:
        publications.find(session).sender_address = "digest@localhost.localdomain"
    (unset,) = check_sender(context)
    assert "which no mail server accepts" in unset.summary

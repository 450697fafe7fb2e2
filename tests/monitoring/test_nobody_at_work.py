"""Real workers and schedulers report from their start; when they are dead, everything says so."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.e2e.machine import Home
from tests.valkey import Valkey
from tests.web.desk.clients import get, make_desk, signed_in

from digest.app import create_context
from digest.cli.doctor.processes import check_processes, check_queues
from digest.db import Database, database_now
from digest.monitoring import heartbeats
from digest.monitoring.models import Heartbeat

PATIENCE = 90.0  # seconds; the machine may be busy


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.crash
def test_dead_workers_and_schedulers_are_noticed_everywhere(sqlite: Database, tmp_path: Path) -> None:
    desk = make_desk(sqlite, tmp_path)
    desk.app.extensions["digest.started"] -= 3600
    editor = signed_in(desk)
    settings = {"database_url": str(sqlite.engine.url), "smtp_url": "smtp://127.0.0.1:9"}

    def silences() -> list[str]:
        with sqlite.read() as session:
            pulses = heartbeats.read(session, database_now(session))
        reported = {pulse.kind.value for pulse in pulses if not pulse.is_silent}
        return sorted({"beat", "worker", "queue"} - reported)

    with Valkey() as broker:
        settings["broker_url"] = broker.url
        home = Home(tmp_path, {f"DIGEST_{name.upper()}": value for name, value in settings.items()})
        command = [sys.executable, "-m", "digest.app"]
        processes = [subprocess.Popen([*command, name], env=home.environment) for name in ("worker", "beat")]
        try:
            until(lambda: not silences())
            assert desk.app.test_client().get("/readyz").get_json()["working"] == "yes"
            assert "has reported" not in get(editor, "/desk/")
        finally:
            for process in processes:
                process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE)
    with sqlite.begin() as session:  # a minute later
        minute_ago = database_now(session) - timedelta(minutes=1)
        session.execute(update(Heartbeat).values(seen_at=minute_ago))
    assert desk.app.test_client().get("/readyz").get_json()["working"] == "no"
    page = desk.app.test_client().get("/metrics").text
    assert 'digest_processes{kind="worker"} 0.0' in page
    assert 'digest_processes{kind="beat"} 0.0' in page
    assert "No worker has reported for 1 minute. Nothing is sent until one runs." in get(editor, "/desk/")
    context = create_context(home=tmp_path, **settings)
    assert [finding.status for finding in check_processes(context)] == ["bad", "bad"]
    assert [finding.status for finding in check_queues(context)] == ["ok"]  # what follows is not told as well
    context.services().db.close()

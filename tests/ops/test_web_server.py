"""The web server that `digest up` starts, as a proxy before it finds it."""

import threading
import urllib.error
import urllib.request
from pathlib import Path

import waitress
from tests.web.factories import create_publication, make_site

from digest.cli.processes import WAITRESS_OPTIONS
from digest.db import Database


def test_the_word_of_a_proxy_reaches_the_pages_that_are_for_this_machine_alone(
    sqlite: Database, tmp_path: Path
) -> None:
    app = make_site(sqlite, tmp_path).app
    with sqlite.begin() as session:
        create_publication(session)
    server = waitress.create_server(app, listen="127.0.0.1:0", **WAITRESS_OPTIONS)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        metrics = f"http://127.0.0.1:{server.effective_port}/metrics"
        assert _status(metrics) == 200
        assert _status(metrics, {"X-Forwarded-For": "9.9.9.9"}) == 404
    finally:
        server.trigger.pull_trigger(server.close)  # closed by its own thread, or it selects on what is gone
        thread.join(10)
        server.task_dispatcher.shutdown()
    assert not thread.is_alive()


def _status(url: str, headers: dict[str, str] | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        problem.close()
        return problem.code

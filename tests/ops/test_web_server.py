"""The web server that `digest up` starts, as the proxy in front of it sees it."""

import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import waitress
from click.testing import CliRunner
from flask import Flask
from tests.ops.test_up import environment, until
from tests.web.factories import create_publication, make_site

from digest.cli import AppContext, _not_configured
from digest.cli.processes.web_server import WAITRESS_OPTIONS, web
from digest.config.home_files import free_port
from digest.db import Database
from digest.errors import Unavailable


@pytest.fixture
def served(sqlite: Database, tmp_path: Path) -> Iterator[str]:
    """The site on the server of `digest up`; yields its address."""
    app = make_site(sqlite, tmp_path).app
    with sqlite.begin() as session:
        create_publication(session)
    server = waitress.create_server(app, listen="127.0.0.1:0", **WAITRESS_OPTIONS)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.trigger.pull_trigger(server.close)  # closed by its own thread, or it selects on what is gone
    thread.join(10)
    server.task_dispatcher.shutdown()
    assert not thread.is_alive()


def test_forwarded_addresses_reach_the_loopback_only_pages(served: str) -> None:
    assert _status(f"{served}/metrics") == 200
    assert _status(f"{served}/metrics", {"X-Forwarded-For": "9.9.9.9"}) == 404


def test_connections_that_never_finish_a_request_keep_nobody_out(served: str) -> None:
    host, port = urlsplit(served).hostname, urlsplit(served).port
    with ExitStack() as opened:
        for number in range(150):
            line = opened.enter_context(socket.create_connection((host, port), timeout=30))
            line.sendall(b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n"[: number % 70])
        assert _status(f"{served}/healthz") == 200


@pytest.mark.crash
def test_the_web_server_runs_alone_beside_workers_elsewhere(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "digest.app", "web", f"--port={port}"]
    with ExitStack() as opened:
        server = opened.enter_context(subprocess.Popen(command, env=environment(tmp_path)))
        opened.callback(server.terminate)
        assert until(lambda: _status(f"http://127.0.0.1:{port}/healthz") == 200)
        for _ in range(400):
            line = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            line.sendall(b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nform=")
        assert _status(f"http://127.0.0.1:{port}/healthz") == 200


def test_a_port_that_is_taken_is_one_line(served: str) -> None:
    context = AppContext(services=_not_configured, flask_app=lambda: Flask("empty"))
    port = str(urlsplit(served).port)
    with pytest.raises(Unavailable, match=rf"cannot listen on 127\.0\.0\.1, port {port}: "):
        CliRunner().invoke(web, ["--port", port], obj=context, catch_exceptions=False)


def test_connections_that_say_nothing_are_closed_within_half_a_minute() -> None:
    waits = (WAITRESS_OPTIONS["channel_timeout"], WAITRESS_OPTIONS["cleanup_interval"])
    assert sum(map(int, waits)) <= 30


def test_a_body_or_a_header_without_bounds_is_refused_before_it_is_read(served: str) -> None:
    host, port = urlsplit(served).hostname, urlsplit(served).port
    for request in (
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
    ):
        with socket.create_connection((host, port), timeout=30) as line, suppress(ConnectionError):
            line.sendall(request)
            assert line.recv(100).split()[1] in {b"413", b"431"}


def _status(url: str, headers: dict[str, str] | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        problem.close()
        return problem.code

"""No log holds a token of a personal link or an address: neither ours nor those of the web servers."""

import json
import logging
import re
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from tests.guards.test_routes import site  # noqa: F401  the complete app
from tests.ops.test_up import digest, environment, until
from tests.web.factories import Site

from digest.audience.models import Subscriber
from digest.config.home_files import free_port
from digest.db import Database, utcnow
from digest.embedded.logs import JsonFormatter, TextFormatter
from digest.embedded.token_masking import mask_tokens

TOKEN = "AwABcD_-9xYz012345678901234567890"


def record(text: str, **fields: object) -> logging.LogRecord:
    error = ValueError(f"/confirm/{TOKEN}")
    found = logging.LogRecord("x", logging.ERROR, __file__, 1, text, (), (ValueError, error, None))
    vars(found).update(fields)
    return found


def test_our_log_lines_contain_no_token() -> None:
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(record(f"Exception on /unsubscribe/{TOKEN} [POST]", path=f"/go/{TOKEN}"))
        assert TOKEN not in line
        assert "/unsubscribe/…" in line
        assert "/go/…" in line
    assert json.loads(JsonFormatter().format(record("x", path=f"/vote/{TOKEN}")))["path"] == "/vote/…"


def test_every_route_with_a_token_is_masked(site: Site) -> None:  # noqa: F811  the fixture
    paths = [rule.rule for rule in site.app.url_map.iter_rules() if "token" in rule.arguments]
    assert len(paths) >= 5
    for path in paths:
        line = f'"GET {re.sub("<[^<>]*token>", TOKEN, path)} HTTP/1.1" 200'
        assert TOKEN not in mask_tokens(line), path


@pytest.mark.parametrize(
    "path",
    [
        f"/%63onfirm/{TOKEN}",
        f"%2FCONFIRM%2f{TOKEN}",
        f"/p/verdicts/%63%6F%6e%66%69%72%6D/%41{TOKEN}",
        f"/desk%2Fenter/{TOKEN}",
        f"/desk/provider/back?%63ode={TOKEN}",
    ],
)
def test_a_percent_encoded_path_is_masked_too(path: str) -> None:
    assert TOKEN not in mask_tokens(f'"GET {path} HTTP/1.1" 200')


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("/desk/provider/back?code=abc&state=def HTTP/1.1", "/desk/provider/back?code=…&state=… HTTP/1.1"),
        ("GET /mailbox?to=ada@example.org HTTP/1.1", "GET /mailbox?to=… HTTP/1.1"),
        (
            "GET /comparisons/parsnip-vs-lantern?page=2 HTTP/1.1",
            "GET /comparisons/parsnip-vs-lantern?page=2 HTTP/1.1",
        ),
    ],
)
def test_sensitive_query_parameters_are_masked_and_others_stay(line: str, masked: str) -> None:
    assert mask_tokens(line) == masked


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("DETAIL:  Key (address_key)=(ada@example.org) already exists.", "DETAIL:  Key (address_key)=(…@example.org) already exists."),
        ("550 5.1.1 <ada+x@example.org>: no such user", "550 5.1.1 <…@example.org>: no such user"),
        ('{"error": "no ada@example.org"}', '{"error": "no …@example.org"}'),
        ("GET /desk/comparisons?search=ada%40example.org HTTP/1.1", "GET /desk/comparisons?search=…@example.org HTTP/1.1"),
        ("smtp://relay:secret@mail.example.org:587", "smtp://relay:…@mail.example.org:587"),
        ("celery@worker-1.example.org ready, 3 @ 5", "celery@worker-1.example.org ready, 3 @ 5"),
    ],
)  # fmt: skip
def test_an_address_is_masked_but_for_its_domain(line: str, masked: str) -> None:
    assert mask_tokens(line) == masked


def test_an_error_of_the_database_says_no_address(postgres: Database) -> None:
    with pytest.raises(IntegrityError) as refused, postgres.begin() as session:
        for _ in range(2):
            session.add(
                Subscriber(address="ada@example.org", address_key="ada@example.org", created_at=utcnow())
            )
    found = record("task failed")
    found.exc_info = (IntegrityError, refused.value, refused.tb)
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(found)
        assert "duplicate key value" in line
        assert "ada@" not in line


@pytest.mark.crash
def test_gunicorn_s_log_is_json_without_a_token_or_a_complaint(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "gunicorn.log"
    digest(tmp_path / "home", "init", "--no-link")
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        f"--bind=127.0.0.1:{port}",
        "--access-logfile=-",
        "--config=python:digest.gunicorn_config",
        "digest.wsgi:app",
    ]
    with log.open("wb") as lines:
        server = subprocess.Popen(
            command,
            env={**environment(tmp_path / "home"), "DIGEST_LOG": "json", "HOME": "/nowhere"},
            cwd=Path(__file__).parents[2],
            stdout=lines,
            stderr=subprocess.STDOUT,
        )
    try:
        assert until(lambda: b"Booting worker" in log.read_bytes())
        for path in ("unsubscribe", "go", "desk/enter"):
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}/{TOKEN}", timeout=30).close()
        assert until(lambda: log.read_text().count(" HTTP/1.1") >= 3), log.read_text()
        assert TOKEN not in log.read_text()
        assert "GET /unsubscribe/… HTTP/1.1" in log.read_text()
        lines = [json.loads(line) for line in log.read_text().splitlines()]  # one format
        assert [line for line in lines if line["level"] in {"warning", "error"}] == []
    finally:
        server.terminate()
        server.wait(timeout=30)

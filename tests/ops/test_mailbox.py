"""The embedded mailbox accepts every mail, stores it unchanged, and shows it in a sandbox."""

import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import CSRFProtect
from tests.web.factories import KEYS, create_publication, make_site
from werkzeug.test import create_environ, run_wsgi_app

from digest.db import Database
from digest.embedded.mailbox import start_server
from digest.embedded.maildir import Maildir
from digest.web import mailbox as pages
from digest.web import make_app

HTML = "<html><head><title>x</title></head><body><script>alert(1)</script><p>Zoë ships</p></body></html>"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def a_mail(to: str = "ana@example.org", subject: str = "Läuft — ship it") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Verdicts <digest@example.org>", to, subject
    mail.set_content("Ship: Larkspur.\n.\nA dot began that line.\n")
    mail.add_alternative(HTML, subtype="html")
    return mail


@pytest.fixture
def maildir(tmp_path: Path) -> Maildir:
    return Maildir(tmp_path / "mailbox")


@pytest.fixture
def port(maildir: Maildir) -> Iterator[int]:
    number = free_port()
    server = start_server(maildir, number)
    yield number
    server.stop()


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    app = Flask("digest.web", static_folder="static", template_folder="templates")
    app.config["SECRET_KEY"] = "a key for the tests"
    CSRFProtect(app)
    app.extensions["digest"] = type("Here", (), {"home": tmp_path})()
    app.register_blueprint(pages.blueprint)
    return app.test_client()


def test_a_mail_is_kept_byte_for_byte(maildir: Maildir, port: int) -> None:
    sent = a_mail().as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as line:
        line.sendmail("digest@example.org", ["ana@example.org"], sent)
    (key,) = maildir.keys()
    assert maildir.read(key) == sent


def test_pipelined_mails_are_all_accepted(maildir: Maildir, port: int) -> None:
    mail = a_mail().as_bytes().replace(b"\n", b"\r\n").replace(b"\r\n.\r\n", b"\r\n..\r\n")
    one = b"MAIL FROM:<d@example.org>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line, line.makefile("rb") as answers:
        answers.readline()
        line.sendall(b"EHLO here\r\n")
        offered = []
        while not (offered and offered[-1].startswith(b"250 ")):
            offered.append(answers.readline())
        assert b"250-PIPELINING\r\n" in offered
        line.sendall(one + (mail + b"\r\n.\r\n" + one) * 20 + mail + b"\r\n.\r\nQUIT\r\n")
        codes = [answer[:3] for answer in answers]
    assert codes == [b"250", b"250", b"354", b"250"] * 21 + [b"221"]
    assert len(maildir.keys()) == 21


def test_a_key_cannot_leave_the_maildir(maildir: Maildir, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("no")
    for key in ("../../secret", "..", ".", "", "a\0b", "x" * 5000):
        assert maildir.read(key) is None


def test_a_thousand_mails_are_listed_by_page(maildir: Maildir, client: FlaskClient) -> None:
    raw = a_mail().as_bytes()
    for _ in range(1_000):
        maildir.add(raw)
    page = client.get("/mailbox").text
    assert "1,000 emails" in page
    assert page.count("ana@example.org") == 50
    assert client.get("/mailbox?page=20").text.count("ana@example.org") == 50
    assert "No emails yet" in client.get("/mailbox?page=21").text


def test_a_search_finds_one_reader_s_mails(maildir: Maildir, client: FlaskClient) -> None:
    maildir.add(a_mail("ben@example.org").as_bytes())
    maildir.add(a_mail("ana@example.org").as_bytes())
    found = client.get("/mailbox?to=BEN@").text
    assert "ben@example.org" in found
    assert "ana@example.org" not in found


def test_a_mail_is_shown_in_a_frame_that_may_do_nothing(maildir: Maildir, client: FlaskClient) -> None:
    key = maildir.add(a_mail().as_bytes())
    page = client.get(f"/mailbox/{key}")
    assert "Läuft — ship it" in page.text
    assert "Ship: Larkspur." in page.text
    assert "<script>" not in page.text
    assert 'sandbox="allow-popups' in page.text
    framed = client.get(f"/mailbox/{key}/html")
    assert "Zoë ships" in framed.text
    policy = framed.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy


def test_the_source_is_the_mail_as_it_came(maildir: Maildir, client: FlaskClient) -> None:
    raw = a_mail().as_bytes()
    assert client.get(f"/mailbox/{maildir.add(raw)}/source").data == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: =?x?q?broken\r\nContent-Type: text/html; charset=nope\r\n\r\n\xff<p>hi",
    ],
)
def test_a_garbled_mail_is_shown_all_the_same(maildir: Maildir, client: FlaskClient, raw: bytes) -> None:
    key = maildir.add(raw)
    assert client.get("/mailbox").status_code == 200
    assert client.get(f"/mailbox/{key}").status_code == 200


@pytest.mark.parametrize(
    "request_like",
    [
        {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"Host": "evil.example.org"}},
        {"headers": {"Forwarded": "for=192.0.2.7"}},
        {
            "environ_overrides": {"SERVER_PROTOCOL": "HTTP/1.0"}
        },  # nginx as it is installed: it says nothing of itself
    ],
)
def test_only_people_at_this_machine_see_it(
    client: FlaskClient, request_like: dict[str, dict[str, str]]
) -> None:
    assert client.get("/mailbox", **request_like).status_code == 404


def test_a_request_without_a_host_is_not_taken_for_one_of_this_machine(client: FlaskClient) -> None:
    environ = create_environ("/mailbox") | {"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "127.0.0.1"}
    assert run_wsgi_app(client.application, environ | {"HTTP_HOST": "127.0.0.1"})[1] == "200 OK"
    del environ["HTTP_HOST"]  # by a proxy that passes none, to a server that bound this address
    assert run_wsgi_app(client.application, environ)[1] == "404 NOT FOUND"


@pytest.mark.parametrize(
    ("base_url", "status"),
    [
        ("http://127.0.0.1:8000", 200),
        ("http://localhost:8000", 200),
        ("https://news.example.org", 404),
        ("http://192.168.1.2:8000", 404),
    ],
)
def test_a_public_site_has_no_mailbox_pages(
    sqlite: Database, tmp_path: Path, base_url: str, status: int
) -> None:
    services = make_site(sqlite, tmp_path, base_url).app.extensions["digest"]
    with sqlite.begin() as session:
        create_publication(session)
    app = make_app(services, secret_keys=KEYS, mailbox=True)
    assert app.test_client().get("/mailbox").status_code == status


def test_emptying_needs_our_own_form(maildir: Maildir, client: FlaskClient) -> None:
    maildir.add(b"Subject: stays\r\n\r\n")
    assert client.post("/mailbox/clear").status_code == 400
    assert len(maildir.keys()) == 1

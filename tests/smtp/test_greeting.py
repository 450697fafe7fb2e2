"""Until the first mail: our name for EHLO, and the relay's words when it does not let us in."""

import socket
import threading

import pytest
from tests.relay import Relay, Script, StrayReply

from digest.errors import BadSetting
from digest.smtp.connect import RelayRefused, connect
from digest.smtp.helo import helo_from_url
from digest.smtp.mail import ConnectionLost
from digest.smtp.url import relay_from_url


def converse(lines: list[bytes], url: str = "smtp://127.0.0.1:{port}") -> Exception:
    """What connecting to a relay raises that sends each of `lines` after whatever it was sent, and then closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                for place, line in enumerate(lines):
                    if place and not sock.recv(1000):
                        return
                    sock.sendall(line)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises((ConnectionLost, RelayRefused)) as raised:
            connect(relay_from_url(url.format(port=listener.getsockname()[1])))
        thread.join(5)
    return raised.value


HELLO = b"220 relay.test ESMTP\r\n"
LOGIN = "smtp://me:secret@127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("lines", "kind", "words"),
    [
        ([b"421 4.3.2 too many connections\r\n"], ConnectionLost, "421 4.3.2 too many connections"),
        ([b"554 no service for you\r\n"], RelayRefused, "554 no service for you"),
        ([HELLO, b"421 4.7.0 try later\r\n"], ConnectionLost, "421 4.7.0 try later"),
        ([HELLO, b"450 4.7.1 host not found\r\n"], ConnectionLost, "450 4.7.1 host not found"),
        ([HELLO, b"504 5.5.2 need a full name\r\n"], RelayRefused, "504 5.5.2 need a full name"),
        ([HELLO + b"421 4.4.2 timeout\r\n"], ConnectionLost, "421 4.4.2 timeout"),
        ([HELLO, b"250 STARTTLS\r\n", b"454 4.7.0 no TLS now\r\n"], ConnectionLost, "454 4.7.0 no TLS now"),
        ([HELLO, b"250 STARTTLS\r\n", b"421 4.7.0 not now\r\n"], ConnectionLost, "421 4.7.0 not now"),
        ([HELLO, b"250 AUTH PLAIN LOGIN\r\n", b"535 5.7.8 wrong\r\n"], RelayRefused, "535 5.7.8 wrong"),
        ([HELLO, b"250 AUTH PLAIN LOGIN\r\n", b"421 4.7.0 later\r\n"], ConnectionLost, "421 4.7.0 later"),
        ([], ConnectionLost, "closed the connection without a greeting"),
        ([HELLO], ConnectionLost, "closed the connection after 220 relay.test ESMTP"),
    ],
)
def test_what_the_relay_said_last_is_what_the_operator_reads(
    lines: list[bytes], kind: type[Exception], words: str
) -> None:
    lines = [line.replace(b"250 ", b"250-relay.test\r\n250 ") for line in lines]
    error = converse(lines, LOGIN if any(b"AUTH" in line for line in lines) else "smtp://127.0.0.1:{port}")
    assert isinstance(error, kind)
    assert words in str(error)
    assert error.reply.code in {0, int(words[:3]) if words[:3].isdigit() else 0}


def test_a_refused_connection_is_called_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionLost, match="Connection refused"):
        connect(relay_from_url(f"smtp://127.0.0.1:{port}"))


@pytest.mark.parametrize("line", ["250 2.0.0 stray", "550 5.7.1 stray", "stray"])
@pytest.mark.parametrize("command", ["greeting", "EHLO", "AUTH"])
def test_a_stray_line_before_the_first_mail_closes_the_connection(command: str, line: str) -> None:
    script = Script(stray=StrayReply(command, line), users={"me": "secret"})
    with Relay(script) as relay:
        account = relay_from_url(f"smtp://me:secret@127.0.0.1:{relay.port}")
        with pytest.raises(ConnectionLost, match="out of step: one reply too many"):
            connect(account)
        connect(account).close()  # it is not held against the relay


def test_what_comes_before_the_tls_handshake_is_refused() -> None:
    """A man in the middle could put replies there, to be taken for the relay's own under TLS (CVE-2011-0411)."""
    injected = b"220 go on\r\n250-relay.test\r\n250 AUTH PLAIN\r\n"
    error = converse([HELLO, b"250-relay.test\r\n250 STARTTLS\r\n", injected])
    assert "out of step: one reply too many: 250-relay.test" in str(error)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://news.example.org", "news.example.org"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("http://192.0.2.7:8000", "[192.0.2.7]"),
        ("http://[2001:db8::7]", "[IPv6:2001:db8::7]"),
        ("http://127.0.0.1:8000", ""),
        ("http://localhost:8000", ""),
        ("http://intranet", ""),
    ],
)
def test_the_name_for_ehlo_is_the_host_of_the_site(url: str, name: str) -> None:
    assert helo_from_url(url) == name


@pytest.mark.parametrize(
    ("option", "default", "said"),
    [
        ("", "news.example.org", "ehlo news.example.org"),
        ("?helo=mail.example.net", "news.example.org", "ehlo mail.example.net"),
        ("?helo=[192.0.2.7]", "", "ehlo [192.0.2.7]"),
    ],
)
def test_the_name_for_ehlo_can_be_set(option: str, default: str, said: str) -> None:
    with Relay() as relay:
        connect(relay_from_url(relay.url + option, helo=default)).close()
    assert relay.commands == [said]


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ("mail.example.org", "ehlo mail.example.org"),
        ("4f0c2a7b9d11", "ehlo [127.0.0.1]"),  # a container's name means nothing elsewhere
        ("bad_name.example", "ehlo [127.0.0.1]"),
    ],
)
def test_without_a_site_the_name_is_the_machines_or_its_address(
    monkeypatch: pytest.MonkeyPatch, machine: str, said: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    with Relay() as relay:
        connect(relay_from_url(relay.url)).close()
    assert relay.commands == [said]


@pytest.mark.parametrize("name", ["localhost", "mail_1.example.org", "a..b", "[1.2.3]", "x.org HELP", ""])
def test_a_name_that_relays_refuse_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(BadSetting, match="DIGEST_SMTP_URL has helo="):
        relay_from_url(f"smtp://relay.example.org?helo={name.replace(' ', '%20')}")

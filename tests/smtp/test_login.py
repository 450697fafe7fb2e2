"""Logging in: PLAIN, LOGIN and XOAUTH2, and certificates that must be good."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from tests.relay import Relay, Script

from digest.errors import BadSetting
from digest.smtp.connect import RelayRefused, connect
from digest.smtp.mail import ConnectionLost
from digest.smtp.url import relay_from_url


def url(relay: Relay, user: str, options: str) -> str:
    return f"smtp://{user}@127.0.0.1:{relay.port}?{options}"


@pytest.mark.parametrize("how", ["plain", "login"])
def test_a_right_password_logs_in_and_a_wrong_one_does_not(how: str) -> None:
    with Relay(Script(users={"me": "se cret"})) as relay:
        connect(relay_from_url(url(relay, "me:se%20cret", f"auth={how}"))).close()
        with pytest.raises(RelayRefused, match="535"):
            connect(relay_from_url(url(relay, "me:wrong", f"auth={how}")))
    assert relay.users == ["me"]


def test_a_refusal_holds_no_null_character_because_databases_reject_it() -> None:
    script = Script(users={"me": "secret"}, greeting="554 go\0away")
    with Relay(script) as relay, pytest.raises(RelayRefused, match="554 go away") as refused:
        connect(relay_from_url(url(relay, "me:secret", "")))
    assert "\0" not in refused.value.reply.text


@pytest.mark.parametrize("offered", [("PLAIN",), ("LOGIN",), ("LOGIN", "PLAIN", "XOAUTH2")])
def test_without_a_choice_an_offered_mechanism_is_used(offered: tuple[str, ...]) -> None:
    with Relay(Script(users={"me": "secret"}, logins=offered)) as relay:
        connect(relay_from_url(url(relay, "me:secret", ""))).close()
    assert relay.users == ["me"]


def test_a_token_logs_in_and_is_read_again_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with Relay(Script(users={"me@example.org": "ya29.fresh"}, logins=("XOAUTH2",))) as relay:
        account = relay_from_url(url(relay, "me%40example.org", f"auth=xoauth2&token_file={file}"))
        with pytest.raises(RelayRefused, match="cannot be read"):
            connect(account)
        file.write_text("ya29.stale\n")
        with pytest.raises(RelayRefused, match="535"):
            connect(account)
        assert relay.users == []
        file.write_text("ya29.fresh\n")
        connect(account).close()
    assert relay.users == ["me@example.org"]


@pytest.mark.parametrize("token", ["", "two words", "a\1b"])
def test_a_file_without_a_token_is_a_refusal(tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token)
    with (
        Relay(Script(users={"me": "x"}, logins=("XOAUTH2",))) as relay,
        pytest.raises(RelayRefused, match="no token"),
    ):
        connect(relay_from_url(url(relay, "me", f"auth=xoauth2&token_file={tmp_path / 'token'}")))


def test_a_mechanism_that_is_not_offered_is_a_refusal() -> None:
    with (
        Relay(Script(users={"me": "x"}, logins=("LOGIN",))) as relay,
        pytest.raises(RelayRefused, match="PLAIN"),
    ):
        connect(relay_from_url(url(relay, "me:x", "auth=plain")))


def test_a_password_that_is_not_ascii_is_a_refusal() -> None:
    with Relay(Script(users={"me": "x"})) as relay, pytest.raises(RelayRefused, match="ASCII"):
        connect(relay_from_url(url(relay, "me:%C3%A4", "auth=plain")))


@pytest.mark.parametrize(
    "wrong",
    [
        "smtp://me@h?auth=xoauth2",
        "smtp://me@h?token_file=/t",
        "smtp://h?auth=plain",
        "smtp://me:x@h?auth=kerberos",
        "smtp://h?weight=0",
        "smtp://h?rate=fast",
        "smtp://h smtp://h",
        "  ",
    ],
)
def test_an_invalid_account_is_reported_in_one_line(wrong: str) -> None:
    with pytest.raises(BadSetting, match="DIGEST_SMTP_URL") as caught:
        relay_from_url(wrong)
    assert "\n" not in str(caught.value)


def test_several_accounts_are_parsed() -> None:
    relay = relay_from_url(
        "smtps://a:x@one.example?weight=3&rate=50/s&name=first smtps://b:y@two.example?connections=9"
    )
    assert [(one.label, one.weight, one.rate, one.connections) for one in relay.accounts] == [
        ("first", 3, 50.0, 4),
        ("b@two.example:465", None, None, 9),
    ]
    assert "x@" not in repr(relay)


def serve(path: Path, listener: socket.socket, *, starttls: bool) -> None:
    """One conversation of a relay with TLS, up to EHLO."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path / "cert.pem", path / "key.pem")
    sock, _ = listener.accept()
    try:
        if starttls:
            sock.sendall(b"220 hello\r\n")
            sock.recv(1000)
            sock.sendall(b"250-relay.test\r\n250 STARTTLS\r\n")
            sock.recv(1000)
            sock.sendall(b"220 go on\r\n")
        sock = context.wrap_socket(sock, server_side=True)
        if not starttls:
            sock.sendall(b"220 hello\r\n")
        sock.recv(1000)
        sock.sendall(b"250 relay.test\r\n")
        sock.recv(1000)
    except OSError:
        pass
    finally:
        sock.close()


@pytest.mark.parametrize("starttls", [True, False])
@pytest.mark.parametrize(
    ("trusted", "name", "good"),
    [(True, "relay.test", True), (True, "other.test", False), (False, "relay.test", False)],
)
def test_a_certificate_must_be_trusted_and_match_the_name(
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    starttls: bool,
    trusted: bool,
    name: str,
    good: bool,
) -> None:
    real = socket.getaddrinfo
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve, args=(certificate, listener), kwargs={"starttls": starttls})
        thread.start()
        # The name is not ours to register: only where it leads is bent, not how the certificate is looked at.
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda _, *more, **named: real("127.0.0.1", *more, **named)
        )
        context = ssl.create_default_context(cafile=str(certificate / "cert.pem") if trusted else None)
        account = relay_from_url(f"{'smtp' if starttls else 'smtps'}://{name}:{port}")
        if good:
            connect(account, context=context).close()
        else:
            with pytest.raises(RelayRefused, match="certificate"):
                connect(account, context=context)
        thread.join(10)


def test_an_unreachable_relay_is_no_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionLost):
        connect(relay_from_url(f"smtp://127.0.0.1:{port}"))

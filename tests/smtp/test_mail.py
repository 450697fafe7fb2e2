"""The relay's URL, a mail on its way, and what is never sent."""

import pytest
from tests.relay import Relay, Script

from digest.delivery.relays.replies import ReplyMeaning, classify_reply
from digest.errors import BadSetting
from digest.smtp.connect import RelayRefused, connect
from digest.smtp.mail import ConnectionLost, Mail
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import relay_from_url


class RecordingObserver:
    """Records what happens to each mail."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, Stage, Reply]] = []
        self.unknown: list[int] = []

    def before_body(self, mail: Mail) -> None:
        pass

    def while_waiting_for_reply(self) -> None: ...

    def answered(self, mail: Mail, stage: Stage, reply: Reply) -> None:
        self.replies.append((mail.token, stage, reply))

    def lost(self, mail: Mail, why: str) -> None:
        self.unknown.append(mail.token)


def mail(key: int, to: bytes = b"", data: bytes = b"Subject: x\r\n\r\nhello\r\n") -> Mail:
    return Mail(b"us@example.org", to or b"r%d@example.org" % key, data, token=key)


def send(relay: Relay, mails: list[Mail | None]) -> RecordingObserver:
    observer, connection = RecordingObserver(), connect(relay_from_url(relay.url))
    try:
        connection.send_all_blocking(iter(mails), observer)
    finally:
        connection.quit()
    return observer


@pytest.mark.parametrize(
    ("url", "port", "security"),
    [
        ("smtp://relay.example.org", 587, "starttls"),
        ("smtps://relay.example.org", 465, "tls"),
        ("smtp://127.0.0.1:1025", 1025, "auto"),
        ("smtp://mailpit:1025?starttls=off", 1025, "plain"),
        ("smtp://relay.example.org?starttls=auto&connections=9", 587, "auto"),
    ],
)
def test_a_url_holds_host_port_and_security(url: str, port: int, security: str) -> None:
    relay = relay_from_url(url)
    assert (relay.port, relay.security) == (port, security)


def test_a_password_may_contain_anything_and_is_never_shown() -> None:
    relay = relay_from_url("smtps://me%40x:p%2Fa%3As%40s@relay.example.org")
    assert (relay.user, relay.password) == ("me@x", "p/a:s@s")
    assert "p/a" not in repr(relay)


@pytest.mark.parametrize(
    "url",
    [
        "relay.example.org",
        "http://relay.example.org",
        "smtp://",
        "smtp://h:99999",
        "smtp://h/path",
        "smtp://h?starttls=maybe",
        "smtp://h?connections=0",
        "smtp://h?connections=many",
        "smtp://h?color=red",
        "smtp://me:secret@relay.example.org?starttls=off",
    ],
)
def test_a_bad_url_is_reported_in_one_line_that_names_the_setting(url: str) -> None:
    with pytest.raises(BadSetting, match="DIGEST_SMTP_URL") as caught:
        relay_from_url(url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("end", "fault"),
    [
        (b"\n.\n", "LF"),
        (b"\n.\r\n", "LF"),
        (b"\r\n.\n", "LF"),
        (b"\r.\r", "CR"),
        (b"\r.\r\n", "CR"),
        (b"\r\n.\r", "CR"),
        (b"\r\r\n.\r\n", "CR"),
        (b"\n\r.\n\r", "LF"),
        (b"\r\n\x00.\r\n\r", "CR"),
    ],
)
def test_what_another_server_could_take_for_the_end_of_a_mail_is_not_sent(
    *, pipelining: bool, end: bytes, fault: str
) -> None:
    smuggled = b"Subject: x\r\n\r\nhello" + end + b"MAIL FROM:<evil@example.org>\r\n"
    with Relay(Script(pipelining=pipelining)) as relay:
        observer = send(relay, [mail(1), mail(2, data=smuggled), mail(3)])
    assert relay.recipients == ["r1@example.org", "r3@example.org"]
    [(stage, reply)] = [(stage, reply) for key, stage, reply in observer.replies if key == 2]
    assert fault in reply.text
    verdict = classify_reply(stage, reply)
    assert (verdict.meaning, verdict.bad_address) == (ReplyMeaning.FAILED, False)


def test_a_text_without_a_last_line_end_is_not_sent() -> None:
    with Relay() as relay:
        observer = send(relay, [mail(1, data=b"Subject: x\r\n\r\nhello")])
    assert [reply.code for _, _, reply in observer.replies] == [554]
    assert relay.mails == []


@pytest.mark.parametrize("pipelining", [True, False])
def test_the_end_of_a_mail_inside_its_text_ends_nothing(*, pipelining: bool) -> None:
    text = b"Subject: x\r\n\r\nhello\r\n.\r\nMAIL FROM:<evil@example.org>\r\n.\r\n"
    with Relay(Script(pipelining=pipelining)) as relay:
        send(relay, [mail(1, data=text), mail(2)])
    assert (relay.mails[0].recipient, relay.mails[0].data) == ("r1@example.org", text)
    assert relay.recipients == ["r1@example.org", "r2@example.org"]


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_mail_arrives_byte_for_byte(pipelining: bool) -> None:
    bodies = [
        b"Subject: a\r\n\r\n.\r\n..\r\n.start\r\n",
        b".\r\n",
        b"Subject: long\r\n\r\n" + b"x" * 70 + b"\r\n" * 3,
        b"Subject: big\r\n\r\n" + b"y" * 76 * 30_000 + b"\r\n",
    ]
    with Relay(Script(pipelining=pipelining)) as relay:
        observer = send(relay, [mail(n, data=body) for n, body in enumerate(bodies)])
    assert [received.data for received in relay.mails] == bodies
    assert [reply.code for _, _, reply in observer.replies] == [250] * 4


def test_with_pipelining_a_mail_costs_one_round_trip() -> None:
    with Relay() as relay:
        send(relay, [mail(n) for n in range(50)])
    assert [line[:4] for line in relay.commands[1:7]] == ["MAIL", "RCPT", "DATA", "MAIL", "RCPT", "DATA"]
    assert len(relay.mails) == 50


@pytest.mark.parametrize(
    "to",
    [
        b"a@b.example\r\nRCPT TO:<c@d.example>",
        b"a\n@b.example",
        b"a b@c.example",
        b"a>@b.example",
        b"<a@b.example",
        b"nobody",
        b"",
        b"x" * 65 + b"@b.example",
        b"\0@b.example",
    ],
)
def test_an_address_that_could_end_its_line_never_reaches_the_wire(to: bytes) -> None:
    with Relay() as relay:
        broken = Mail(b"us@example.org", to, b"Subject: x\r\n\r\nx\r\n", token=1)
        observer = send(relay, [broken, mail(2)])
    assert [(key, reply.code) for key, _, reply in observer.replies] == [(1, 553), (2, 250)]
    assert relay.recipients == ["r2@example.org"]


def test_a_reply_of_several_lines_is_one_reply() -> None:
    with Relay(Script(every_body="250-one\r\n250-two\r\n250 three")) as relay:
        observer = send(relay, [mail(1), mail(2)])
    assert [reply.text for _, _, reply in observer.replies] == ["one two three"] * 2


def test_a_server_that_does_not_speak_smtp_is_abandoned() -> None:
    with (
        Relay(Script(every_mail="hello there")) as relay,
        pytest.raises(ConnectionLost, match="does not speak SMTP"),
    ):
        send(relay, [mail(1)])


def test_a_server_that_never_ends_its_reply_is_abandoned() -> None:
    with (
        Relay(Script(every_mail="\r\n".join(["250-more"] * 500))) as relay,
        pytest.raises(ConnectionLost, match="end"),
    ):
        send(relay, [mail(1)])


def test_a_refused_login_is_final_and_a_deferred_one_is_not() -> None:
    for reply, kind in (("535 5.7.8 no", RelayRefused), ("454 4.7.0 later", ConnectionLost)):
        with Relay(Script(login=reply)) as relay:
            url = f"smtp://me:secret@127.0.0.1:{relay.port}"
            with pytest.raises(kind) as caught:
                connect(relay_from_url(url))
        assert "secret" not in str(caught.value)


def test_required_starttls_that_is_not_offered_is_a_refusal() -> None:
    with Relay() as relay, pytest.raises(RelayRefused, match="STARTTLS"):
        connect(relay_from_url(relay.url + "?starttls=required"))


def test_an_unreachable_relay_is_reported_as_such() -> None:
    with Relay() as relay:
        port = relay.port
    with pytest.raises(ConnectionLost, match="cannot be reached"):
        connect(relay_from_url(f"smtp://127.0.0.1:{port}"))

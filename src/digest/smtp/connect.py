"""The way to an open line to a relay, with TLS and login, and single mails made with the email package."""

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache

from digest.errors import DigestError
from digest.smtp.client import STOP_SECONDS, Line, LineLost, Mail, Reply, Stage
from digest.smtp.url import Relay, relay_from_url
from digest.turns import TICK_SECONDS

CONNECT_SECONDS = 30.0  # for all of it, up to the login: no mail is under way, and another try costs nothing
# A folded List-Unsubscribe becomes encoded-words, and one-click is dead: nothing is folded below the limit.
_POLICY = SMTP.clone(max_line_length=998)


class Refused(DigestError):
    """The relay does not want us at all: greeting, TLS or login. Trying again by itself changes nothing."""

    def __init__(self, reply: Reply, stage: Stage) -> None:
        super().__init__(f"the relay refuses us at {stage}: {reply}")
        self.reply, self.stage = reply, stage


def connect(
    relay: Relay, *, stopping: Callable[[], bool] = lambda: False, context: ssl.SSLContext | None = None
) -> Line:
    """An open line to the relay, after greeting, EHLO, TLS and login.

    `context` replaces the system's certificates (they are checked, and the name, on every host but loopback).
    Raises Refused when the relay says no for good, LineLost when it cannot be reached, says "later", takes longer than
    CONNECT_SECONDS for all of it, or this process is `stopping` meanwhile.
    """
    client = _Client(local_hostname=_own_name(), timeout=CONNECT_SECONDS)
    try:
        with client.bounded(stopping):
            _open(client, relay, context or _context(local=relay.local))
    except BaseException as error:
        client.close()
        if client.given_up and isinstance(error, (OSError, smtplib.SMTPException)):
            raise LineLost(client.given_up) from error
        raise _named(error) from error
    sock, features = client.sock, client.esmtp_features
    assert sock is not None
    client.sock = None  # the conversation is ours from here
    if client.file is not None:
        client.file.close()
    return Line(sock, features, stopping)


def compose(
    *,
    sender: tuple[str, str],
    to: str,
    subject: str,
    text: str,
    html: str,
    message_id: str,
    date: datetime,
    headers: Mapping[str, str] | None = None,
    wide: bool = False,
) -> bytes:
    """A whole mail to one person, text part first; `sender` is (name, address), `message_id` without brackets.

    A `wide` one goes over SMTPUTF8: its headers may be UTF-8. Raises ValueError when a header holds a line break.
    """
    mail = EmailMessage(policy=_POLICY.clone(utf8=wide))
    name, address = sender
    local, _, domain = address.rpartition("@")
    mail["From"] = Address(name, local, domain)
    mail["To"] = f"<{to}>"
    mail["Subject"] = subject
    mail["Date"] = date
    mail["Message-ID"] = f"<{message_id}>"
    for header, value in (headers or {}).items():
        mail[header] = value
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail.as_bytes()


class _Client(smtplib.SMTP):
    """smtplib for what it is good at, with an end to its patience: it waits for each reply anew, and asks nobody."""

    file = None

    def __init__(self, *, local_hostname: str, timeout: float) -> None:
        super().__init__(local_hostname=local_hostname, timeout=timeout)
        self.wrap: Callable[[socket.socket], socket.socket] | None = None
        self.given_up = ""  # why
        self._until = time.monotonic() + timeout
        self._held: socket.socket | None = None  # the line once more: TLS takes the first one away

    @contextmanager
    def bounded(self, stopping: Callable[[], bool]) -> Iterator[None]:
        """Whatever waits for the relay in here ends when the time is up, or soon after `stopping`."""
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done, stopping), name="patience", daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()
            if self._held is not None:
                self._held.close()
        if self.given_up:  # at the last moment: the line is shut
            raise TimeoutError

    def _watch(self, done: threading.Event, stopping: Callable[[], bool]) -> None:
        while not done.wait(TICK_SECONDS):
            if stopping():
                self.given_up = "the process was asked to stop while it connected"
            elif time.monotonic() > self._until:
                self.given_up = "the relay did not let us in in time"
            else:
                continue
            if self._held is not None:
                with suppress(OSError):
                    self._held.shutdown(socket.SHUT_RDWR)  # wakes whoever reads from it
            return

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._dial(host, port)
        self._held = sock.dup()
        if self.given_up:
            sock.close()
            raise TimeoutError
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        return sock if self.wrap is None else self.wrap(sock)

    def _dial(self, host: str, port: int) -> socket.socket:
        """The TCP connection: each address of the host in turn, none longer than a process that stops may take."""
        trouble = OSError(f"{host} has no address")
        for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            left = self._until - time.monotonic()
            if self.given_up or left <= 0:
                break
            try:
                return socket.create_connection((str(where[0]), port), min(left, STOP_SECONDS))
            except OSError as error:
                trouble = error
        raise trouble


def _open(client: _Client, relay: Relay, context: ssl.SSLContext) -> None:
    client._host = relay.host  # type: ignore[attr-defined]  # noqa: SLF001 smtplib takes the name for TLS from here
    if relay.security == "tls":
        client.wrap = lambda sock: context.wrap_socket(sock, server_hostname=relay.host)
    code, text = client.connect(relay.host, relay.port)
    if code != 220:  # noqa: PLR2004 RFC 5321, 4.3.1
        raise smtplib.SMTPConnectError(code, text)
    client.ehlo_or_helo_if_needed()
    offered = client.has_extn("starttls")
    if relay.security == "starttls" or (relay.security == "auto" and offered):
        if not offered:
            raise Refused(Reply(0, "it offers no STARTTLS, which the URL requires"), Stage.CONNECT)
        client.starttls(context=context)
        client.ehlo_or_helo_if_needed()
    if relay.user:
        _log_in(client, relay, relay.user)


def _log_in(client: _Client, relay: Relay, user: str) -> None:
    try:
        if not relay.login:
            client.login(user, relay.password or "")
        elif relay.login.upper() not in client.esmtp_features.get("auth", "").upper().split():
            raise Refused(Reply(0, f"it offers no login by {relay.login.upper()}"), Stage.LOGIN)
        elif relay.login == "xoauth2":
            client.auth("XOAUTH2", _bearer(user, _token(relay)))
        else:
            client.user, client.password = user, relay.password or ""
            client.auth(relay.login, client.auth_plain if relay.login == "plain" else client.auth_login)
    except UnicodeEncodeError:
        raise Refused(Reply(0, "user, password or token is not ASCII"), Stage.LOGIN) from None


def _bearer(user: str, token: str) -> Callable[..., str]:
    """SASL XOAUTH2 (Google, Microsoft): all of it at once; an error comes as a challenge, answered with nothing."""
    said = f"user={user}\x01auth=Bearer {token}\x01\x01"
    return lambda challenge=None: said if challenge is None else ""


def _token(relay: Relay) -> str:
    """The access token as the file holds it now: whoever renews it writes there."""
    assert relay.token_file is not None
    try:
        token = relay.token_file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = f"the token file {relay.token_file} cannot be read: {type(error).__name__}"
        raise Refused(Reply(0, why), Stage.LOGIN) from None
    if not token or any(ord(char) <= 0x20 for char in token):  # noqa: PLR2004 a control would end the SASL field
        raise Refused(Reply(0, f"the token file {relay.token_file} holds no token"), Stage.LOGIN)
    return token


def _named(error: BaseException) -> BaseException:
    """What smtplib and the network raise, in our two kinds: never again by itself, or later."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Refused(Reply(0, f"it offers no login that we can use: {error}"), Stage.LOGIN)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        reply = Reply(error.smtp_code, said.replace("\0", " "))  # as all of pipeline's replies
        stage = Stage.LOGIN if isinstance(error, smtplib.SMTPAuthenticationError) else Stage.CONNECT
        later = 400 <= reply.code < 500 or reply.code < 0  # noqa: PLR2004 RFC 5321: 4yz; smtplib: -1 is no reply
        return LineLost(f"the relay says later: {reply}", reply) if later else Refused(reply, stage)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refused(Reply(0, f"its certificate is not good: {error.verify_message}"), Stage.CONNECT)
    if isinstance(error, (OSError, smtplib.SMTPException)):
        return LineLost(f"the relay cannot be reached: {error}")
    return error


@cache
def _context(*, local: bool) -> ssl.SSLContext:
    """Made once: reading the system's certificates costs as much as a hundred mails."""
    context = ssl.create_default_context()
    if local:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _own_name() -> str:
    """The name for EHLO: ours when it is a full one, else an address literal; never a slow look-up."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


__all__ = ["Mail", "Refused", "Relay", "compose", "connect", "relay_from_url"]

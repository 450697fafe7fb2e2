"""Opens a connection to a relay, with TLS and login."""

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

from digest.errors import DigestError
from digest.smtp.client import SmtpConnection
from digest.smtp.mail import ConnectionLost
from digest.smtp.replies import SERVICE_READY, Reply, Stage
from digest.smtp.stream import STOP_SECONDS, WAKE_UP_SECONDS
from digest.smtp.url import Relay

CONNECT_SECONDS = 30.0  # from dialling to login: no mail is in flight, and another attempt costs nothing


class RelayRefused(DigestError):
    """The relay refuses us altogether, at greeting, TLS or login. Trying again changes nothing by itself."""

    def __init__(self, reply: Reply, stage: Stage) -> None:
        super().__init__(f"the relay refuses us at {stage}: {reply}")
        self.reply, self.stage = reply, stage


def connect(
    relay: Relay, *, stopping: Callable[[], bool] = lambda: False, context: ssl.SSLContext | None = None
) -> SmtpConnection:
    """An open connection to the relay, after greeting, EHLO, TLS and login.

    `context` replaces the system's certificates; certificate and host name are verified on every host but loopback.
    Raises RelayRefused when the relay refuses for good; ConnectionLost when it is unreachable, answers 4yz, needs more
    than CONNECT_SECONDS in all, or this process is asked to stop meanwhile.
    """
    client = _Client(local_hostname=_helo_name(), timeout=CONNECT_SECONDS)
    try:
        with client.within_deadline(stopping):
            _negotiate(client, relay, context or _tls_context(local=relay.local))
    except BaseException as error:
        client.close()
        if client.abandoned_because and isinstance(error, (OSError, smtplib.SMTPException)):
            raise ConnectionLost(client.abandoned_because) from error
        raise _translate_error(error) from error
    sock, features = client.sock, client.esmtp_features
    assert sock is not None
    client.sock = None  # the conversation is ours from here on
    if client.file is not None:
        client.file.close()
    return SmtpConnection(sock, features, stopping)


class _Client(smtplib.SMTP):
    """smtplib with one deadline for everything; it would wait for each reply anew."""

    file = None

    def __init__(self, *, local_hostname: str, timeout: float) -> None:
        super().__init__(local_hostname=local_hostname, timeout=timeout)
        self.wrap: Callable[[socket.socket], socket.socket] | None = None
        self.abandoned_because = ""
        self._deadline = time.monotonic() + timeout
        self._duplicate_socket: socket.socket | None = None  # TLS detaches the first one

    @contextmanager
    def within_deadline(self, stopping: Callable[[], bool]) -> Iterator[None]:
        """Any wait for the relay in this block ends at the deadline, or soon after `stopping`."""
        done = threading.Event()
        deadline_thread = threading.Thread(
            target=self._enforce_deadline, args=(done, stopping), name="patience", daemon=True
        )
        deadline_thread.start()
        try:
            yield
        finally:
            done.set()
            deadline_thread.join()
            if self._duplicate_socket is not None:
                self._duplicate_socket.close()
        if self.abandoned_because:  # at the last moment: the line is shut
            raise TimeoutError

    def _enforce_deadline(self, done: threading.Event, stopping: Callable[[], bool]) -> None:
        while not done.wait(WAKE_UP_SECONDS):
            if stopping():
                self.abandoned_because = "the process was asked to stop while connecting"
            elif time.monotonic() > self._deadline:
                self.abandoned_because = "the relay did not complete the login in time"
            else:
                continue
            if self._duplicate_socket is not None:
                with suppress(OSError):
                    self._duplicate_socket.shutdown(socket.SHUT_RDWR)  # wakes the reader
            return

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._connect_tcp(host, port)
        self._duplicate_socket = sock.dup()
        if self.abandoned_because:
            sock.close()
            raise TimeoutError
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        return sock if self.wrap is None else self.wrap(sock)

    def _connect_tcp(self, host: str, port: int) -> socket.socket:
        """Connect to each address of the host in turn, to none for longer than a stopping process may take."""
        trouble = OSError(f"{host} has no address")
        for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            left = self._deadline - time.monotonic()
            if self.abandoned_because or left <= 0:
                break
            try:
                return socket.create_connection((str(where[0]), port), min(left, STOP_SECONDS))
            except OSError as error:
                trouble = error
        raise trouble


def _negotiate(client: _Client, relay: Relay, context: ssl.SSLContext) -> None:
    client._host = relay.host  # type: ignore[attr-defined]  # noqa: SLF001 smtplib takes the name for TLS from here
    if relay.security == "tls":
        client.wrap = lambda sock: context.wrap_socket(sock, server_hostname=relay.host)
    code, text = client.connect(relay.host, relay.port)
    if code != SERVICE_READY:
        raise smtplib.SMTPConnectError(code, text)
    client.ehlo_or_helo_if_needed()
    offered = client.has_extn("starttls")
    if relay.security == "starttls" or (relay.security == "auto" and offered):
        if not offered:
            raise RelayRefused(
                Reply(0, "the server offers no STARTTLS, which the URL requires"), Stage.CONNECT
            )
        client.starttls(context=context)
        client.ehlo_or_helo_if_needed()
    if relay.user:
        _log_in(client, relay, relay.user)


def _log_in(client: _Client, relay: Relay, user: str) -> None:
    try:
        if not relay.login:
            client.login(user, relay.password or "")
        elif relay.login.upper() not in client.esmtp_features.get("auth", "").upper().split():
            raise RelayRefused(Reply(0, f"the server offers no login by {relay.login.upper()}"), Stage.LOGIN)
        elif relay.login == "xoauth2":
            client.auth("XOAUTH2", _xoauth2_response(user, _read_access_token(relay)))
        else:
            client.user, client.password = user, relay.password or ""
            client.auth(relay.login, client.auth_plain if relay.login == "plain" else client.auth_login)
    except UnicodeEncodeError:
        raise RelayRefused(Reply(0, "user, password or token is not ASCII"), Stage.LOGIN) from None


def _xoauth2_response(user: str, token: str) -> Callable[..., str]:
    """SASL XOAUTH2 (Google, Microsoft): sent at once; an error comes as a challenge and gets an empty answer."""
    initial_response = f"user={user}\x01auth=Bearer {token}\x01\x01"
    return lambda challenge=None: initial_response if challenge is None else ""


def _read_access_token(relay: Relay) -> str:
    """The access token as the file holds it now; another program renews it there."""
    assert relay.token_file is not None
    try:
        token = relay.token_file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = f"the token file {relay.token_file} cannot be read: {type(error).__name__}"
        raise RelayRefused(Reply(0, why), Stage.LOGIN) from None
    if not token or any(
        ord(char) <= ord(" ") for char in token
    ):  # a control character would end the SASL field
        raise RelayRefused(Reply(0, f"the token file {relay.token_file} holds no token"), Stage.LOGIN)
    return token


def _translate_error(error: BaseException) -> BaseException:
    """Turn what smtplib and the network raise into RelayRefused or ConnectionLost."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return RelayRefused(Reply(0, f"the server offers no login that we can use: {error}"), Stage.LOGIN)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        reply = Reply(error.smtp_code, said.replace("\0", " "))  # as all of pipeline's replies
        stage = Stage.LOGIN if isinstance(error, smtplib.SMTPAuthenticationError) else Stage.CONNECT
        later = reply.is_transient or reply.code < 0  # smtplib: -1 is no reply
        return (
            ConnectionLost(f"the relay asks us to try later: {reply}", reply)
            if later
            else RelayRefused(reply, stage)
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return RelayRefused(Reply(0, f"its certificate is not valid: {error.verify_message}"), Stage.CONNECT)
    if isinstance(error, (OSError, smtplib.SMTPException)):
        return ConnectionLost(f"the relay cannot be reached: {error}")
    return error


@cache
def _tls_context(*, local: bool) -> ssl.SSLContext:
    """Cached: reading the system's certificates costs as much as a hundred mails."""
    context = ssl.create_default_context()
    if local:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _helo_name() -> str:
    """The name for EHLO: the host name if it is fully qualified, else an address literal; never a slow lookup."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"

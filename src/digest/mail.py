"""The relay: its URL, the way to an open line with TLS and login, and single mails made with the email package."""

import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import parse_qs, unquote, urlsplit

from digest.errors import BadSetting, DigestError
from digest.pipeline import COMMAND_SECONDS, Line, LineLost, Mail, Reply, Stage

CONNECT_SECONDS = 30.0
MAX_CONNECTIONS = 100
DEFAULT_CONNECTIONS = 4
SETTING = "DIGEST_SMTP_URL"
_SHAPE = "write smtp://user:password@host:587 or smtps://host:465"
# A folded List-Unsubscribe becomes encoded-words, and one-click is dead: nothing is folded below the limit.
_POLICY = SMTP.clone(max_line_length=998)


class Refused(DigestError):
    """The relay does not want us at all: greeting, TLS or login. Trying again by itself changes nothing."""

    def __init__(self, reply: Reply, stage: Stage) -> None:
        super().__init__(f"the relay refuses us at {stage}: {reply}")
        self.reply, self.stage = reply, stage


@dataclass(frozen=True)
class Relay:
    """Where mail goes. `security` is tls, starttls (required), auto (STARTTLS where offered) or plain."""

    host: str
    port: int
    security: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    connections: int = DEFAULT_CONNECTIONS

    @property
    def local(self) -> bool:
        """Whether the relay is this very machine, where nobody listens in."""
        return _is_local(self.host)


def relay_from_url(url: str) -> Relay:
    """A relay from `smtp://user:password@host:587` or `smtps://…`; `?starttls=required|auto|off`, `?connections=N`.

    STARTTLS is required by default, and not on loopback. Raises BadSetting, one line that names DIGEST_SMTP_URL.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise BadSetting(f"{SETTING} is not an address; {_SHAPE}") from None
    if parts.scheme not in {"smtp", "smtps"} or not host or parts.path not in {"", "/"}:
        raise BadSetting(f"{SETTING} is not a relay's address; {_SHAPE}")
    asked = _options(parts.query)
    tls = parts.scheme == "smtps"
    relay = Relay(
        host=host,
        port=port or (465 if tls else 587),
        security="tls" if tls else _security(asked.get("starttls"), local=_is_local(host)),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        connections=_connections(asked.get("connections")),
    )
    if relay.user and relay.security in {"plain", "auto"} and not relay.local:
        raise BadSetting(
            f"{SETTING} would send a password in the clear; leave out starttls={asked['starttls']}"
        )
    return relay


def connect(
    relay: Relay, *, stopping: Callable[[], bool] = lambda: False, context: ssl.SSLContext | None = None
) -> Line:
    """An open line to the relay, after greeting, EHLO, TLS and login.

    `context` replaces the system's certificates (they are checked, and the name, on every host but loopback).
    Raises Refused when the relay says no for good, LineLost when it cannot be reached or says "later".
    """
    client = _Client(local_hostname=_own_name(), timeout=COMMAND_SECONDS)
    try:
        _open(client, relay, context or _context(relay))
    except BaseException as error:
        client.close()
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
    """smtplib for what it is good at, with a shorter patience for the TCP connection than for replies."""

    file = None

    def __init__(self, *, local_hostname: str, timeout: float) -> None:
        super().__init__(local_hostname=local_hostname, timeout=timeout)
        self.wrap: Callable[[socket.socket], socket.socket] | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), CONNECT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.wrap is not None:
            sock = self.wrap(sock)
        sock.settimeout(timeout)
        return sock


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
        client.login(relay.user, relay.password or "")


def _named(error: BaseException) -> BaseException:
    """What smtplib and the network raise, in our two kinds: never again by itself, or later."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Refused(Reply(0, f"it offers no login that we can use: {error}"), Stage.LOGIN)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        reply = Reply(error.smtp_code, text.decode("utf-8", "replace") if isinstance(text, bytes) else text)
        stage = Stage.LOGIN if isinstance(error, smtplib.SMTPAuthenticationError) else Stage.CONNECT
        later = 400 <= reply.code < 500 or reply.code < 0  # noqa: PLR2004 RFC 5321: 4yz; smtplib: -1 is no reply
        return LineLost(f"the relay says later: {reply}", reply) if later else Refused(reply, stage)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refused(Reply(0, f"its certificate is not good: {error.verify_message}"), Stage.CONNECT)
    if isinstance(error, (OSError, smtplib.SMTPException)):
        return LineLost(f"the relay cannot be reached: {error}")
    return error


def _context(relay: Relay) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if relay.local:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _own_name() -> str:
    """The name for EHLO: ours when it is a full one, else an address literal; never a slow look-up."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _options(query: str) -> dict[str, str]:
    options = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    if unknown := sorted(set(options) - {"starttls", "connections"}):
        raise BadSetting(f"{SETTING} has an option {unknown[0]!r}; there are starttls and connections")
    return options


def _security(asked: str | None, *, local: bool) -> str:
    try:
        return {"required": "starttls", "auto": "auto", "off": "plain"}[
            asked or ("auto" if local else "required")
        ]
    except KeyError:
        raise BadSetting(f"{SETTING} has starttls={asked}; it is required, auto or off") from None


def _connections(asked: str | None) -> int:
    if asked is None:
        return DEFAULT_CONNECTIONS
    if not asked.isdecimal() or not 1 <= int(asked) <= MAX_CONNECTIONS:
        raise BadSetting(f"{SETTING} has connections={asked}; it is a number from 1 to {MAX_CONNECTIONS}")
    return int(asked)


__all__ = ["Mail", "Refused", "Relay", "compose", "connect", "relay_from_url"]

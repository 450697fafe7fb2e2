"""Opens a connection to a relay, with TLS and login."""

import smtplib
import ssl
from collections.abc import Callable
from functools import cache

from digest.errors import DigestError
from digest.smtp.client import SmtpConnection
from digest.smtp.helo import helo_of_machine
from digest.smtp.mail import ConnectionLost
from digest.smtp.replies import SERVICE_READY, Reply, Stage
from digest.smtp.reply_reader import OutOfStep
from digest.smtp.smtplib_client import HandshakeClient
from digest.smtp.url import Relay

_LOGIN_CODES = frozenset({432, 454, 530, 534, 535, 538})  # RFC 4954, 6
CONNECT_SECONDS = (
    30.0  # from the first packet to the login: no mail is in flight, another attempt costs nothing
)


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
    client = HandshakeClient(timeout=CONNECT_SECONDS)
    try:
        with client.within_deadline(stopping):
            _negotiate(client, relay, context or _tls_context(local=relay.local))
    except BaseException as error:
        client.close()
        if client.abandoned_because and isinstance(error, (OSError, smtplib.SMTPException)):
            raise ConnectionLost(client.abandoned_because) from error
        raise _translate_error(error, client.last_reply) from error
    connection = SmtpConnection(client.detach(), client.esmtp_features, stopping, helo=client.local_hostname)
    connection.limit(mails=relay.mails, minutes=relay.minutes)
    return connection


def _negotiate(client: HandshakeClient, relay: Relay, context: ssl.SSLContext) -> None:
    if relay.security == "tls":
        client.wrap = lambda sock: context.wrap_socket(sock, server_hostname=relay.host)
    code, text = client.connect(relay.host, relay.port)
    if code != SERVICE_READY:
        raise smtplib.SMTPConnectError(code, text)
    assert client.sock is not None
    name = relay.helo or helo_of_machine(client.sock)
    client.introduce(name)
    offered = client.has_extn("starttls")
    if relay.security == "starttls" or (relay.security == "auto" and offered):
        if not offered:
            raise RelayRefused(
                Reply(0, "the server offers no STARTTLS, which the URL requires"), Stage.CONNECT
            )
        client.start_tls(context, relay.host)
        client.introduce(name)
    if relay.user:
        _log_in(client, relay, relay.user)
    client.expect_nothing_unread()


def _log_in(client: HandshakeClient, relay: Relay, user: str) -> None:
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


def _translate_error(error: BaseException, last: Reply | None) -> BaseException:
    """Turn what smtplib and the network raise into RelayRefused or ConnectionLost; `last` is the relay's last reply."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return RelayRefused(Reply(0, f"the server offers no login that we can use: {error}"), Stage.LOGIN)
    if isinstance(error, ssl.SSLCertVerificationError):
        return RelayRefused(Reply(0, f"its certificate is not valid: {error.verify_message}"), Stage.CONNECT)
    if not isinstance(error, (OSError, smtplib.SMTPException, OutOfStep)):
        return error
    reply, stage = _find_refusal(error, last)
    if reply is None:
        return ConnectionLost(_explain_silence(error, last))
    if reply.is_transient:
        return ConnectionLost(f"the relay asks us to try later: {reply}", reply)
    return RelayRefused(reply, stage)


def _find_refusal(error: Exception, last: Reply | None) -> tuple[Reply | None, Stage]:
    if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code > 0:  # smtplib: -1 is no reply
        text = error.smtp_error
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        stage = Stage.LOGIN if isinstance(error, smtplib.SMTPAuthenticationError) else Stage.CONNECT
        return Reply(error.smtp_code, said.replace("\0", " ")), stage  # as the reply reader does
    if isinstance(error, OutOfStep):
        return None, Stage.CONNECT
    if last is not None and (last.is_transient or last.is_permanent):  # it said why, and closed
        return last, Stage.LOGIN if last.code in _LOGIN_CODES else Stage.CONNECT
    return None, Stage.CONNECT


def _explain_silence(error: Exception, last: Reply | None) -> str:
    if isinstance(error, OutOfStep):
        return str(error)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return f"the relay closed the connection {f'after {last}' if last else 'without a greeting'}"
    return f"the relay cannot be reached: {error}"


@cache
def _tls_context(*, local: bool) -> ssl.SSLContext:
    """Cached: reading the system's certificates costs as much as a hundred mails."""
    if not local:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

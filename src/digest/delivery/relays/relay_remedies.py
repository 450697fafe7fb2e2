"""What a mail server's refusal or silence usually means, in plain words, and how to fix it."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from digest.smtp.client import SmtpConnection
from digest.smtp.connect import RelayRefused, connect
from digest.smtp.mail import ConnectionLost
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import Relay

TIMEOUT_SECONDS: Final = 15.0  # the operator is waiting for the result
IMPLICIT_TLS_PORT: Final = 465  # RFC 8314, 7.3
_STARTTLS_REQUIRED: Final = 530  # RFC 3207, 4

# The usual cause of a refusal at each stage, and how to fix it.
_REFUSED: Final[Mapping[Stage, tuple[str, str]]] = {
    Stage.CONNECT: (
        "The mail server refused the connection.",
        "Check host, port and encryption in DIGEST_SMTP_URL: smtp://host:587 with STARTTLS, or smtps://host:465.",
    ),
    Stage.LOGIN: (
        "The mail server rejected the user name or password.",
        "Check both in DIGEST_SMTP_URL. The password is often an API key. Write @ as %40 and / as %2F.",
    ),
    Stage.MAIL: (
        "The mail server does not let us send from this address.",
        "Verify the sender's address or domain with the provider, or use a sender that is already verified.",
    ),
    Stage.RCPT: (
        "The mail server rejected this recipient.",
        "Check the address. Providers often let a new account send only to addresses that were verified.",
    ),
    Stage.DATA: (
        "The mail server is not accepting email from us right now.",
        "Check the account with the provider: it may be restricted.",
    ),
    Stage.BODY: (
        "The mail server read the email and refused it.",
        "The reply says why. Often the domain lacks DKIM, SPF or DMARC, or the account is restricted.",
    ),
}
_ENCRYPT: Final = (
    "The mail server requires an encrypted connection.",
    "Use smtps:// or add ?starttls=required to DIGEST_SMTP_URL.",
)
_CERTIFICATE: Final = (
    "The mail server's certificate is not valid for this host.",
    "Use the host name that the provider gives; the certificate must match it.",
)
_LATER: Final = (
    "The mail server asks us to try again later.",
    "Try again in a few minutes. If it keeps happening, ask the provider whether the account is restricted.",
)
_SILENT: Final = (
    "The mail server cannot be reached.",
    "Check the host and port in DIGEST_SMTP_URL. If ports 25 and 587 are blocked, try 2525 or 465.",
)


_NO_STARTTLS: Final = (
    "The mail server does not offer STARTTLS on this port, so the connection would not be encrypted.",
    "Use the port that the provider gives for STARTTLS (usually 587), or smtps:// with port 465.",
)
_NO_SUCH_HOST: Final = (
    "The mail server cannot be reached: there is no host of that name.",
    "Check the host in DIGEST_SMTP_URL for a typing error, and that this machine can use DNS.",
)
_NOTHING_LISTENS: Final = (
    "The mail server cannot be reached: nothing listens on this port.",
    "Check the port in DIGEST_SMTP_URL: usually 587 with smtp://, or 465 with smtps://.",
)
_TLS_TOO_EARLY: Final = (
    "The mail server does not expect TLS from the start on this port.",
    "Use smtp:// with this port, which then changes to TLS (STARTTLS), or smtps:// with port 465.",
)
_TLS_TOO_LATE: Final = (
    "The mail server does not answer: port 465 expects TLS from the start.",
    "Use smtps:// instead of smtp:// in DIGEST_SMTP_URL.",
)
_OUR_NAME: Final = (
    "The mail server does not accept the name that we introduce ourselves by (EHLO).",
    "Set DIGEST_BASE_URL to the public address, or add ?helo=mail.example.org with a name that DNS knows.",
)
_ABOUT_OUR_NAME: Final = re.compile(r"\b(?:helo|ehlo|hostname|fqdn)\b")
_UNKNOWN_HOST: Final = re.compile(
    r"name or service not known|no address|nodename nor servname|name resolution", re.IGNORECASE
)
_REFUSED_PORT: Final = re.compile(r"connection refused", re.IGNORECASE)
_NOT_TLS: Final = re.compile(r"wrong.version.number|unknown.protocol|record layer", re.IGNORECASE)


@dataclass(frozen=True)
class RelayTestResult:
    """The result of a test through one account. `reply` quotes the relay; `summary` and `fix` are our words."""

    server: str
    is_ok: bool
    summary: str
    reply: str
    fix: str = ""


def open_connection(account: Relay, timeout: float = TIMEOUT_SECONDS) -> SmtpConnection | RelayTestResult:
    """A connection on which we are signed in, or what was wrong; takes no longer than `timeout` seconds."""
    deadline = time.monotonic() + timeout
    try:
        return connect(account, stopping=lambda: time.monotonic() > deadline)
    except RelayRefused as refusal:
        return refused_result(_server(account), refusal.stage, refusal.reply)
    except ConnectionLost as lost:
        is_late = time.monotonic() > deadline
        return unreachable_result(
            account, f"no reply within {timeout:.0f} s" if is_late else str(lost), lost.reply
        )


def refused_result(server: str, stage: Stage, reply: Reply) -> RelayTestResult:
    """What a refusal means."""
    summary, fix = _REFUSED[stage]
    text = reply.text.lower()
    if "certificate" in text:
        summary, fix = _CERTIFICATE
    elif "starttls" in text or (reply.code == _STARTTLS_REQUIRED and "auth" not in text):
        summary, fix = _NO_STARTTLS if reply.code == 0 else _ENCRYPT
    elif reply.is_transient:
        summary, fix = _LATER
    elif stage is Stage.CONNECT and _ABOUT_OUR_NAME.search(text):
        summary, fix = _OUR_NAME
    return RelayTestResult(server, False, summary, str(reply), fix)


def unreachable_result(account: Relay, why: str, reply: Reply) -> RelayTestResult:
    """What silence, a broken connection or "later" means."""
    if reply.is_transient:
        return RelayTestResult(_server(account), False, *_with_reply(_LATER, why))
    expects_tls = account.port == IMPLICIT_TLS_PORT and account.security != "tls"
    causes = (
        (_UNKNOWN_HOST.search(why) is not None, _NO_SUCH_HOST),
        (_REFUSED_PORT.search(why) is not None, _NOTHING_LISTENS),
        (_NOT_TLS.search(why) is not None, _TLS_TOO_EARLY),
        (expects_tls, _TLS_TOO_LATE),
    )
    advice = next((advice for is_cause, advice in causes if is_cause), _SILENT)
    return RelayTestResult(_server(account), False, *_with_reply(advice, why))


def _with_reply(advice: tuple[str, str], why: str) -> tuple[str, str, str]:
    summary, fix = advice
    return summary, why, fix


def _server(account: Relay) -> str:
    return f"{account.host}:{account.port}"

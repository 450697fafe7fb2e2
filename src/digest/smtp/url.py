"""The addresses of relays: what DIGEST_SMTP_URL says, as one account or several."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from digest import rates
from digest.errors import BadSetting
from digest.loopback import is_loopback
from digest.smtp.helo import is_helo_name

MAX_CONNECTIONS = 100
DEFAULT_CONNECTIONS = 4
MAX_ACCOUNTS = 20
MAX_WEIGHT = 1000
MAX_MAILS = 1_000_000  # per connection
MAX_MINUTES = 1440
SETTING = "DIGEST_SMTP_URL"
LOGINS = ("plain", "login", "xoauth2")
_OPTIONS = frozenset(
    {"starttls", "connections", "weight", "rate", "name", "auth", "token_file", "helo", "mails", "minutes"}
)
_SHAPE = "write smtp://user:password@host:587 or smtps://host:465"


@dataclass(frozen=True)
class Relay:
    """An account with somebody who takes mail. `security` is tls, starttls (required), auto (where offered) or plain.

    `others` are further accounts that do the same; `accounts` are all of them.
    """

    host: str
    port: int
    security: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    connections: int = DEFAULT_CONNECTIONS  # for issues; a letter opens one of its own
    name: str = ""
    weight: int | None = None  # its share beside others; None: by its connections
    rate: float | None = None  # mails a second over all workers
    login: str = ""  # plain, login or xoauth2; empty: the best that is offered
    token_file: Path | None = None  # read at each login with XOAUTH2
    helo: str = ""  # our name for EHLO; empty: this machine's name or address
    mails: int | None = None  # per connection, which is then closed and replaced
    minutes: int | None = None  # the same
    others: tuple["Relay", ...] = ()

    @property
    def accounts(self) -> tuple["Relay", ...]:
        """This one and the others, each alone."""
        return (replace(self, others=()), *self.others)

    @property
    def shown_user(self) -> str:
        """Who we are there; empty without a login, and where the user name is the password too, as Postmark's token."""
        return self.user if self.user and self.user != self.password else ""

    @property
    def label(self) -> str:
        """What people call it: its name, else where it is and who we are there. It is shown, so it holds no secret."""
        where = f"{self.host}:{self.port}"
        return self.name or (f"{self.shown_user}@{where}" if self.shown_user else where)

    @property
    def key(self) -> str:
        """What programs call it: short, and the same on every machine."""
        return hashlib.sha256(self.label.encode()).hexdigest()[:8]

    @property
    def local(self) -> bool:
        """Whether the relay is this very machine, where nobody listens in."""
        return is_loopback(self.host)


def relay_from_url(urls: str, *, helo: str = "") -> Relay:
    """The relay at one URL, or at several with separated by spaces: then the first, with the `others`.

    `smtp://user:password@host:587` or `smtps://…`, with `?starttls=required|auto|off`, `connections=N`, `weight=N`,
    `rate=50/s`, `name=…`, `auth=plain|login|xoauth2`, `token_file=/path`, `helo=…` (else `helo`), `mails=N` and
    `minutes=N` per connection. STARTTLS is required by default, and not on loopback.
    Raises BadSetting, one line that names DIGEST_SMTP_URL and never holds a password.
    """
    found = [_account(url, helo) for url in urls.split()]
    if not 1 <= len(found) <= MAX_ACCOUNTS:
        raise BadSetting(
            f"{SETTING} holds {len(found)} addresses; write 1 to {MAX_ACCOUNTS}, separated by spaces"
        )
    labels = [account.label for account in found]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise BadSetting(f"{SETTING} has {twice} twice; give each account a name: ?name=…")
    return replace(found[0], others=tuple(found[1:]))


def _account(url: str, helo: str) -> Relay:
    if re.search("[/?#].*@", url.partition("://")[2]) or "#" in url:
        raise BadSetting(
            f"{SETTING} has a special character in a user name or password; write # as %23, / as %2F and ? as %3F"
        )
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise BadSetting(f"{SETTING} has an invalid host or port; {_SHAPE}") from None
    if parts.scheme not in {"smtp", "smtps"} or not host or port == 0 or parts.path not in {"", "/"}:
        raise BadSetting(f"{SETTING} is not a relay's address; {_SHAPE}")
    asked = _options(parts.query)
    tls = parts.scheme == "smtps"
    relay = Relay(
        host=host,
        port=port or (465 if tls else 587),
        security="tls" if tls else _security(asked.get("starttls"), local=is_loopback(host)),
        connections=_number(asked, "connections", MAX_CONNECTIONS) or DEFAULT_CONNECTIONS,
        name=asked.get("name", ""),
        weight=_number(asked, "weight", MAX_WEIGHT),
        rate=_rate(asked.get("rate")),
        helo=_helo(asked.get("helo"), helo),
        mails=_number(asked, "mails", MAX_MAILS),
        minutes=_number(asked, "minutes", MAX_MINUTES),
        **_login(parts, asked),
    )
    if relay.user and relay.security in {"plain", "auto"} and not relay.local:
        raise BadSetting(f"{SETTING} would send a password unencrypted; remove starttls={asked['starttls']}")
    return relay


def _options(query: str) -> dict[str, str]:
    values_by_name = parse_qs(query, keep_blank_values=True)
    options = {name: values[0] for name, values in values_by_name.items()}
    if unknown := sorted(set(options) - _OPTIONS):
        raise BadSetting(
            f"{SETTING} has the unknown option {unknown[0]!r}; the options are {', '.join(sorted(_OPTIONS))}"
        )
    for name, values in values_by_name.items():
        if len(values) > 1 or not values[0].strip():
            raise BadSetting(f"{SETTING} has {name}= {'twice' if len(values) > 1 else 'without a value'}")
    return options


def _login(parts: SplitResult, asked: Mapping[str, str]) -> dict[str, Any]:
    how, file = asked.get("auth", "").lower(), asked.get("token_file")
    user = unquote(parts.username) if parts.username else None
    if how and how not in LOGINS:
        raise BadSetting(f"{SETTING} has auth={how}; use {', '.join(LOGINS)}, or leave it out")
    if how and not user:
        raise BadSetting(f"{SETTING} has auth={how} but no user before the @")
    if (how == "xoauth2") != (file is not None):
        raise BadSetting(f"{SETTING} needs auth=xoauth2 and token_file=/path together")
    if user and not parts.password and not file:
        raise BadSetting(f"{SETTING} has a user and no password; {_SHAPE}")
    if parts.password and not user:
        raise BadSetting(f"{SETTING} has a password and no user; {_SHAPE}")
    return {
        "user": user,
        "password": unquote(parts.password) if parts.password else None,
        "login": how,
        "token_file": Path(file) if file else None,
    }


def _helo(asked: str | None, default: str) -> str:
    if asked is not None and not is_helo_name(asked):
        raise BadSetting(
            f"{SETTING} has helo={asked}; use a full host name such as mail.example.org, or [192.0.2.1]"
        )
    return asked or default


def _security(asked: str | None, *, local: bool) -> str:
    try:
        return {"required": "starttls", "auto": "auto", "off": "plain"}[
            asked or ("auto" if local else "required")
        ]
    except KeyError:
        raise BadSetting(f"{SETTING} has starttls={asked}; use required, auto or off") from None


def _number(asked: Mapping[str, str], name: str, most: int) -> int | None:
    value = asked.get(name)
    if value is None:
        return None
    if not value.isdecimal() or not 1 <= int(value) <= most:
        raise BadSetting(f"{SETTING} has {name}={value}; use a number from 1 to {most}")
    return int(value)


def _rate(value: str | None) -> float | None:
    try:
        return None if value is None else rates.parse_rate(value)
    except ValueError as error:
        raise BadSetting(f"{SETTING} has rate={value}, which {error}") from None

"""Settings from the environment. Only app.py imports this; everything else receives values."""

import difflib
import fcntl
import hashlib
import ipaddress
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from digest import loopback, rates
from digest.base_url import LOCAL_PORT, parse_base_url
from digest.errors import BadSetting

SOCKET_PATH_BYTES = 100  # the kernel takes 107, and a server appends to it while it starts
LEVELS = ("debug", "info", "warning", "error")
_PROVIDER = ("oidc_issuer", "oidc_client_id", "oidc_client_secret")
REDIS_PORT = 6379
MAX_RETRY_DELAY_SECONDS = 24 * 60 * 60  # later attempts wait longer by themselves
MAX_KEPT_DAYS = 36_500
BROKERS = ("redis", "rediss", "redis+socket", "memory")


def _parsed(parse: Callable[[str], object]) -> BeforeValidator:
    """Parse text with `parse`; other values come from code and stay as they are."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _duration(value: object) -> object:
    """`90s`, `15m` or `2h` as a timedelta."""
    match = re.fullmatch(r"(\d{1,9})\s*([smh])", str(value).strip().lower(), re.ASCII)
    if not match or int(match[1]) == 0:
        raise ValueError("is not a duration; use 90s, 15m or 2h")
    seconds = int(match[1]) * rates.UNIT_SECONDS[match[2]]
    if seconds > MAX_RETRY_DELAY_SECONDS:
        raise ValueError("is longer than a day; use 90s, 15m or 2h")
    return timedelta(seconds=seconds)


def _networks(value: object) -> object:
    """`10.0.0.7, 172.16.0.0/12` as networks; `none` is nobody."""
    if not isinstance(value, str):
        return value
    words = [word for word in re.split(r"[\s,]+", value.strip().lower()) if word not in {"", "none"}]
    try:
        return tuple(ipaddress.ip_network(word, strict=False) for word in words)
    except ValueError:
        raise ValueError("is not a list of networks; use 127.0.0.1, 10.1.0.0/16 or none") from None


def _keys(value: object) -> object:
    return tuple(re.split(r"[\s,]+", value.strip())) if isinstance(value, str) else value


def _selectors(value: object) -> object:
    """`news2026` or several, with commas or spaces between, as they stand before ._domainkey in DNS."""
    names = tuple(filter(None, re.split(r"[\s,]+", value))) if isinstance(value, str) else value
    if isinstance(names, tuple) and not all(re.fullmatch(r"[A-Za-z0-9._-]{1,63}", name) for name in names):
        raise ValueError("is not a DKIM selector; use the name before ._domainkey")
    return names


class Settings(BaseSettings):
    """One field per variable, named as it is without `DIGEST_`. None means: the embedded default."""

    model_config = SettingsConfigDict(
        env_prefix="DIGEST_", env_ignore_empty=True, extra="ignore", validate_default=False
    )

    home: Path = Field(Path("var"), validate_default=True)
    database_url: str | None = None
    broker_url: str | None = None
    limits_url: str | None = None
    smtp_url: str | None = None
    base_url: str | None = None
    secret_keys: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_keys)] = ()
    send_rate: Annotated[float | None, _parsed(rates.parse_rate)] = None
    domain_rates: Annotated[Mapping[str, float], NoDecode, _parsed(rates.parse_domain_rates)] = Field(
        default_factory=dict
    )
    warm_up: Annotated[rates.WarmUp | None, NoDecode, _parsed(rates.parse_warm_up)] = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = None
    dkim_selector: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_selectors)] = ()
    trusted_proxies: Annotated[tuple[loopback.Network, ...], NoDecode, BeforeValidator(_networks)] = (
        loopback.NETWORKS
    )
    keep_replies_days: int = Field(180, ge=0, le=MAX_KEPT_DAYS)
    retry_delay: Annotated[timedelta, BeforeValidator(_duration)] = timedelta(minutes=15)
    backup_passphrase: str | None = None
    log: str = "info"

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("base_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        return None if value is None else parse_base_url(value)

    @field_validator("oidc_issuer")
    @classmethod
    def _provider(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        secure = parts.scheme == "https" or loopback.is_loopback(parts.hostname or "")
        if value and (not parts.hostname or not secure):
            raise ValueError("is not the https address of a provider; use https://login.example.org")
        return value

    @field_validator("broker_url", "limits_url")
    @classmethod
    def _broker(cls, value: str | None) -> str | None:
        if value and urlsplit(value).scheme not in BROKERS:
            raise ValueError("is not a Redis or Valkey address; use redis://host:6379/0")
        return value

    @field_validator("log")
    @classmethod
    def _log(cls, value: str) -> str:
        if value.lower() not in {*LEVELS, "json"}:
            raise ValueError(f"is not one of {', '.join(LEVELS)} or json")
        return value.lower()

    @property
    def run_dir(self) -> Path:
        """The folder for sockets and locks. A Unix socket's path is limited: a deep home gets one in /tmp."""
        inside = self.home / "run"
        if len(os.fsencode(inside / "valkey.sock")) <= SOCKET_PATH_BYTES:
            return inside
        name = "digest-" + hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / name

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'digest.sqlite3'}"

    @property
    def broker(self) -> str:
        return self.broker_url or f"redis+socket://{self.run_dir / 'valkey.sock'}"

    def site(self) -> str:
        """The public site's URL; by default the one where `digest up` ran last. Raises BadSetting."""
        if self.base_url:
            return self.base_url
        path = self.home / "base-url"
        if not path.exists():
            return f"http://127.0.0.1:{LOCAL_PORT}"
        try:
            return parse_base_url(path.read_text())
        except ValueError as error:
            raise BadSetting(f"{path} {error}") from None

    def smtp(self) -> str:
        """The relay's URL; by default the embedded mailbox's."""
        return self.smtp_url or f"smtp://127.0.0.1:{self.mailbox_port()}?starttls=off&connections=4"

    def provider(self) -> tuple[str, str, str] | None:
        """Issuer, client id and secret of the team's OpenID provider. Raises BadSetting when one of them is missing."""
        given = {f"DIGEST_{name.upper()}": getattr(self, name) for name in _PROVIDER}
        if not any(given.values()):
            return None
        if missing := [name for name, value in given.items() if not value]:
            raise BadSetting(f"{' and '.join(missing)} is missing; an OpenID provider needs all three")
        issuer, client_id, secret = given.values()
        return str(issuer), str(client_id), str(secret)

    def mailbox_port(self) -> int:
        """The embedded mailbox's port, chosen once per home, so that every process of a home uses it."""
        path = self.home / "mailbox-port"
        if not path.exists():
            _write_once(path, str(free_port()))
        return int(path.read_text())

    def keys(self) -> tuple[str, ...]:
        """The signing keys, newest first; generated once into the home when none are set."""
        if self.secret_keys:
            return self.secret_keys
        path = self.home / "secret-keys"
        if not path.exists():
            _write_once(path, secrets.token_urlsafe(32) + "\n")
        keys = tuple(path.read_text().split())
        if not keys:
            raise BadSetting(f"{path} is empty; restore its keys or set DIGEST_SECRET_KEYS")
        return keys


def free_port() -> int:
    """A TCP port of loopback that is currently free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load(**overrides: Any) -> Settings:
    """The settings of this process; `overrides` take precedence over the environment.

    Raises BadSetting: one line that names each missing, invalid or misspelt variable.
    """
    _refuse_misspelt(os.environ)
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise BadSetting("; ".join(_sentence(dict(fault)) for fault in error.errors())) from None
    if settings.limits_url and _server(settings.limits_url) == _server(settings.broker):
        raise BadSetting(
            "DIGEST_LIMITS_URL is the broker's server, which requests must not fill; use one of its own or unset it"
        )
    settings.provider()  # so that an incomplete provider fails at start, not at the first sign-in
    try:
        for path in (settings.home, settings.run_dir):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"DIGEST_HOME {settings.home} cannot be used: {error.strerror}") from None
    if settings.run_dir.stat().st_uid != os.getuid():
        raise BadSetting(
            f"DIGEST_HOME is too long for a socket, and {settings.run_dir} belongs to another user"
        )
    return settings


def _server(url: str) -> tuple[str | None, int | str]:
    """The server behind a Redis URL: host and port, or the socket's path. Its databases share one memory."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or (REDIS_PORT if parts.hostname else parts.path)


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    """Refuse names close to a setting's: they would be ignored silently. Other names may belong to other tools."""
    known = {f"DIGEST_{name.upper()}" for name in Settings.model_fields}
    given = {name.upper() for name in environment if name.upper().startswith("DIGEST_")}
    for name in sorted(given - known):
        if meant := difflib.get_close_matches(name, sorted(known - given), cutoff=0.8):
            suggestions = " or ".join(meant)
            raise BadSetting(
                f"{name} is not a digest setting; did you mean {suggestions}? Rename or unset it"
            )


def _sentence(fault: dict[str, Any]) -> str:
    name = "DIGEST_" + str(fault["loc"][0]).upper()
    message = str(fault["msg"]).removeprefix("Value error, ")
    is_sentence = message.startswith(("is ", "has ", "contains "))  # those of our own validators
    return f"{name} {message}" if is_sentence else f"{name} is invalid: {message}"


def _write_once(path: Path, text: str) -> None:
    """Write a file that only its owner can read, unless another process wrote it first."""
    with (path.parent / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        temporary = path.with_name(path.name + ".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(text)
        temporary.replace(path)

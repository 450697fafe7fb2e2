"""What settings look like as text. Each function returns the value, or raises ValueError: "is not …; use …"."""

import ipaddress
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator

from digest import loopback, rates
from digest.database_url import parse_database_url
from digest.errors import BadSetting
from digest.smtp.url import SETTING as SMTP_SETTING
from digest.smtp.url import relay_from_url
from digest.webhook import is_webhook_secret

LOG_LEVELS: Final = ("debug", "info", "warning", "error", "json")
MIN_KEY_CHARS: Final = 16
MAX_DELAY_SECONDS: Final = 24 * 60 * 60
MAX_DAYS: Final = 36_500
_REDIS: Final = "use redis://host:6379/0"
_SEPARATORS: Final = re.compile(r"[\s,]+")


def parsed(parse: Callable[[str], object]) -> BeforeValidator:
    """Parse text with `parse`; other values come from code and stay as they are."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def parse_duration(text: str) -> timedelta:
    """`90s`, `15m` or `2h`, at most a day."""
    match = re.fullmatch(r"(\d{1,18})\s*([smh])", text.strip().lower(), re.ASCII)
    if not match or int(match[1]) == 0:
        raise ValueError("is not a duration; use 90s, 15m or 2h")
    seconds = int(match[1]) * rates.UNIT_SECONDS[match[2]]
    if seconds > MAX_DELAY_SECONDS:
        raise ValueError("is longer than a day; use 90s, 15m or 2h")
    return timedelta(seconds=seconds)


def parse_days(text: str) -> int:
    """A number of days, as digits."""
    if not re.fullmatch(r"\d{1,18}", text.strip(), re.ASCII):
        raise ValueError("is not a number of days; use 180, or 0 for no limit")
    if int(text) > MAX_DAYS:
        raise ValueError(f"is more than {MAX_DAYS} days; use 180, or 0 for no limit")
    return int(text)


def parse_networks(text: str) -> tuple[loopback.Network, ...]:
    """`10.0.0.7, 172.16.0.0/12` as networks; `none` is nobody."""
    words = _words(text.lower())
    if words == ("none",):
        return ()
    try:
        return tuple(ipaddress.ip_network(word, strict=False) for word in words)
    except ValueError:
        raise ValueError("is not a list of networks; use 127.0.0.1, 10.1.0.0/16 or none") from None


def parse_keys(text: str) -> tuple[str, ...]:
    """Signing keys, newest first."""
    keys = _words(text)
    if not keys:
        raise ValueError("holds no key; use 32 random characters, or several keys with commas between")
    if any(len(key) < MIN_KEY_CHARS for key in keys):
        raise ValueError(f"contains a key shorter than {MIN_KEY_CHARS} characters; use 32 random ones")
    return keys


def parse_webhook_url(text: str) -> str:
    """Where messages are posted; it may be an address of one's own network."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or re.search(r"[\s\\]", text):
        raise ValueError("is not a web address; use https://alerts.example.org/hook")
    return text


def parse_webhook_secret(text: str) -> str:
    """A secret of Standard Webhooks: `whsec_` and Base64, or any text of 16 characters or more."""
    text = text.strip()
    if not is_webhook_secret(text):
        raise ValueError("is not a webhook secret; use whsec_ followed by 32 random bytes in Base64")
    return text


def parse_selectors(text: str) -> tuple[str, ...]:
    """`news2026` or several, as they stand before ._domainkey in DNS."""
    names = _words(text)
    if not all(re.fullmatch(r"[A-Za-z0-9._-]{1,63}", name) for name in names):
        raise ValueError("is not a DKIM selector; use the name before ._domainkey")
    return names


def parse_redis_url(text: str) -> str:
    """`redis://host:6379/0`, `rediss://…` or `redis+socket:///path`; Valkey's own schemes mean the same."""
    url = re.sub(r"^valkey(?=s?:)", "redis", text.strip())
    parts = _split(url, _REDIS)
    if parts.scheme == "redis+socket":
        is_complete = bool(parts.path.strip("/")) and not parts.netloc
    else:
        is_complete = parts.scheme in {"redis", "rediss"} and bool(parts.hostname)
        if is_complete and "@" in parts.path:  # of a password such as 12/secret
            raise ValueError(f"has a special character in its password; write / as %2F; {_REDIS}")
        if is_complete and not re.fullmatch(r"(/\d{0,4})?", parts.path, re.ASCII):
            raise ValueError(f"ends with {parts.path!r}, which is not a database number; {_REDIS}")
    if not is_complete:
        raise ValueError(f"is not a Redis or Valkey address; {_REDIS}")
    return url


def parse_database(text: str) -> str:
    """The database's URL with its driver."""
    return parse_database_url(text).render_as_string(hide_password=False)


def parse_smtp(text: str) -> str:
    """The address of one account or several."""
    try:
        relay_from_url(text)
    except BadSetting as error:
        raise ValueError(str(error).removeprefix(SMTP_SETTING).strip()) from None
    return text


def parse_provider_url(text: str) -> str:
    """The https address of an OpenID provider; http only on this machine."""
    example = "use https://login.example.org"
    parts = _split(text.strip(), example)
    is_secure = parts.scheme == "https" or (
        parts.scheme == "http" and loopback.is_loopback(parts.hostname or "")
    )
    if not parts.hostname or not is_secure or "@" in parts.netloc or parts.query:
        raise ValueError(f"is not the https address of a provider; {example}")
    return text.strip()


def parse_log(text: str) -> str:
    """The name of a level, or `json`."""
    if text.strip().lower() not in LOG_LEVELS:
        raise ValueError(f"is not one of {', '.join(LOG_LEVELS)}")
    return text.strip().lower()


def parse_home(path: str | Path) -> Path:
    """A folder as an absolute path."""
    try:
        return Path(path).expanduser().resolve()
    except (RuntimeError, ValueError):
        raise ValueError("is not the path of a folder; use /var/lib/digest") from None


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, _SEPARATORS.split(text)))


def _split(text: str, example: str) -> SplitResult:
    """The parts of a URL, whose port is valid."""
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError(f"contains a space; {example}")
    if "#" in text:
        raise ValueError(f"contains #, which is written %23 in a password; {example}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"has an invalid host or port; {example}") from None
    if port == 0:
        raise ValueError(f"has the invalid port 0; {example}")
    return parts

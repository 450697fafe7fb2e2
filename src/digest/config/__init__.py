"""Settings from the environment, files and digest.toml. Only app.py imports this; everything else receives values."""

import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from digest.config import sources, spelling
from digest.config.report import SettingLine, describe
from digest.config.settings import Settings
from digest.config.sources import Given
from digest.errors import BadSetting

NAMES: Final = tuple(Settings.model_fields)
REDIS_PORT: Final = 6379
_KNOWN: Final = {
    sources.CONFIG_VARIABLE,
    *(sources.variable(name) + suffix for name in NAMES for suffix in ("", sources.FILE_SUFFIX)),
}


def load(*, config: str | None = None, **overrides: Any) -> Settings:
    """The settings of this process; `overrides` take precedence over the environment, `config` over DIGEST_CONFIG.

    Raises BadSetting: one line that names each missing, invalid or misspelt setting and never holds its value.
    """
    spelling.refuse_misspelt(_variables(os.environ), _KNOWN)
    given = {
        name: each for name, each in sources.read(os.environ, NAMES, config).items() if name not in overrides
    }
    try:
        settings = Settings(**{name: each.text for name, each in given.items()}, **overrides)
    except ValidationError as error:
        raise BadSetting("; ".join(_sentence(dict(fault), given) for fault in error.errors())) from None
    if settings.limits_url and _server(settings.limits_url) == _server(settings.broker):
        raise BadSetting(
            "DIGEST_LIMITS_URL is the broker's server, which visitors could fill; use another server, or unset it"
        )
    settings.provider()  # so that an incomplete provider fails at start, not at the first sign-in
    _create_folders(settings)
    return settings


def describe_settings(*, config: str | None = None, **overrides: Any) -> list[SettingLine]:
    """Every setting in force and where it comes from, without secrets. Raises BadSetting."""
    settings = load(config=config, **overrides)
    return describe(settings, sources.read(os.environ, NAMES, config), overrides)


def find_ignored() -> dict[str, str]:
    """Variables called DIGEST_… that are no settings, each with what may have been meant."""
    unknown = _variables(os.environ) - _KNOWN
    return {
        name: spelling.describe_unknown(name.removeprefix(sources.PREFIX).lower(), NAMES)
        for name in sorted(unknown)
    }


def _variables(environment: Mapping[str, str]) -> set[str]:
    return {
        name.upper()
        for name, value in environment.items()
        if name.upper().startswith(sources.PREFIX) and value.strip()
    }


def _create_folders(settings: Settings) -> None:
    try:
        for path in (settings.home, settings.run_dir):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"DIGEST_HOME {settings.home} cannot be used: {error.strerror}") from None
    if not os.access(settings.home, os.W_OK | os.X_OK):
        raise BadSetting(f"DIGEST_HOME {settings.home} cannot be used: no permission to write")
    if settings.run_dir.stat().st_uid != os.getuid():
        raise BadSetting(
            f"DIGEST_HOME is too long for a socket, and {settings.run_dir} belongs to another user"
        )


def _server(url: str) -> tuple[str | None, int | str]:
    """The server behind a Redis URL: host and port, or the socket's path. Its databases share one memory."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or (REDIS_PORT if parts.hostname else parts.path)


def _sentence(fault: dict[str, Any], given: Mapping[str, Given]) -> str:
    name = str(fault["loc"][0])
    label = given[name].label if name in given else sources.variable(name)
    message = " ".join(str(fault["msg"]).removeprefix("Value error, ").split())
    is_sentence = fault["type"] == "value_error"  # of our own parsers
    return f"{label} {message}" if is_sentence else f"{label} is invalid: {message}"

"""Every setting in force and where it comes from, for people: no secret is in it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from digest.config import masking, sources
from digest.config.settings import Settings
from digest.config.sources import Given
from digest.rates import UNIT_SECONDS

DEFAULT: Final = "default"


class SettingLine(NamedTuple):
    """One setting, as `digest config` shows it."""

    variable: str
    value: str | None  # None: it has none
    source: str  # "environment", "command line", "default", or the path of a file


def describe(
    settings: Settings, given: Mapping[str, Given], overrides: Mapping[str, object]
) -> list[SettingLine]:
    """One line per setting, in the order of the class."""
    in_force = {
        "database_url": settings.database,
        "broker_url": settings.broker,
        "base_url": settings.site(),
        "smtp_url": settings.smtp(),
        "secret_keys": settings.keys(),
    }
    lines = []
    for name, field in Settings.model_fields.items():
        if name in overrides:
            text, source = as_text(in_force.get(name, getattr(settings, name))), "command line"
        elif name in given:
            text, source = " ".join(given[name].text.split()), given[name].source
        else:
            text, source = as_text(in_force.get(name, getattr(settings, name))), DEFAULT
        shown = masking.mask(text, field.metadata)
        lines.append(SettingLine(sources.variable(name), shown or None, source))
    return lines


def as_text(value: Any) -> str:
    """A value as an operator would write it."""
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        unit = next(unit for unit in "hms" if seconds % UNIT_SECONDS[unit] == 0)
        return f"{seconds // int(UNIT_SECONDS[unit])}{unit}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)

"""The words of mail systems, from `vocabulary.toml`, compiled."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from digest.bounces.report import Kind

_TABLES: Final[dict[str, Any]] = tomllib.loads(
    resources.files(__package__).joinpath("vocabulary.toml").read_text("utf-8")
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What replies with certain words mean, of every mail server or of some."""

    kind: Kind
    phrases: re.Pattern[str]
    host: re.Pattern[str] | None = None
    is_for_replies: bool = False  # its words say little in a whole text
    is_below_codes: bool = False  # a code that says that the address is gone says more


def _any_of(expressions: Iterable[str], flags: int = 0) -> re.Pattern[str]:
    return re.compile("|".join(expressions), flags | re.IGNORECASE)


def _rule(table: dict[str, Any]) -> Rule:
    host = _any_of([table["host"]]) if "host" in table else None
    options = {name: bool(table.get(name)) for name in ("is_for_replies", "is_below_codes")}
    return Rule(Kind(table["kind"]), _any_of(table["phrases"]), host, **options)


SEPARATORS: Final = _any_of(_TABLES["separators"])
FAILURE_SUBJECTS: Final = _any_of(_TABLES["failure_subjects"])
AUTOREPLY_SUBJECTS: Final = _any_of(_TABLES["autoreply_subjects"])
ABSENCE_SUBJECTS: Final = _any_of(_TABLES["absence_subjects"])
CHALLENGE_SUBJECTS: Final = _any_of(_TABLES["challenge_subjects"])
CHALLENGES: Final = _any_of(_TABLES["challenges"])
FAILURE_TEXTS: Final = _any_of(_TABLES["failure_texts"])
DELAYS: Final = _any_of(_TABLES["delays"])
RULES: Final = tuple(_rule(table) for table in _TABLES["rules"])
PROVIDER_RULES: Final = tuple(_rule(table) for table in _TABLES["providers"])

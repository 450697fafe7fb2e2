"""What of a setting is never shown, as a mark on its field."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

MASK: Final = "…"
# What stands between the user name and the last @ of each URL; and what a query may carry.
_USER_INFO: Final = re.compile(r"(?<=://)([^\s:@/]*):(\S*)@")
_QUERY: Final = re.compile(r"(?i)([?&][^=&\s]*(?:password|passwd|secret|token|key)=)[^&\s]+")


@dataclass(frozen=True)
class Masked:
    """Marks a field of the settings; `mask` makes its text presentable."""

    mask: Callable[[str], str]


def mask_passwords(text: str) -> str:
    """URLs without their passwords, nor a user name that is the password too, as a provider's token may be."""
    return _QUERY.sub(rf"\1{MASK}", _USER_INFO.sub(_mask_user_info, text))


def _mask_user_info(found: re.Match[str]) -> str:
    user, password = found.groups()
    return f"{MASK if user and unquote(user) == unquote(password) else user}:{MASK}@"


def mask_after_host(text: str) -> str:
    """A URL up to its host: of a webhook, whose path is its secret."""
    return re.sub(r"(?<=://)(?:[^/\s]*@)?([^/\s?#]*)\S*", rf"\1/{MASK}", text)


PASSWORDS: Final = Masked(mask_passwords)
PATH: Final = Masked(mask_after_host)
HIDDEN: Final = Masked(lambda text: MASK if text else "")


def mask(text: str, metadata: list[Any]) -> str:
    """The text of a field with this metadata, as it may be shown."""
    for mark in metadata:
        if isinstance(mark, Masked):
            text = mark.mask(text)
    return text

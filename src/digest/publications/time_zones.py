"""Time zones by their IANA names. A machine's name for its own zone is refused: elsewhere it means another one."""

from functools import cache
from zoneinfo import available_timezones

from digest.errors import BadInput

# In the zone database's folder, but no zone of it: the machine's own zone, and one that says "not set".
_NOT_IANA = frozenset({"localtime", "posixrules", "Factory"})


@cache
def names() -> frozenset[str]:
    """All names; cached, because it reads hundreds of files."""
    known = available_timezones() - _NOT_IANA
    return frozenset(name for name in known if not name.startswith(("posix/", "right/")))


def parse(name: object, field: str = "zone") -> str:
    """`name` when it is an IANA zone, such as Europe/Berlin. Raises BadInput that names the field."""
    text = str(name or "").strip()
    if text not in names():
        raise BadInput(f"{field}: {text!r} is not a time zone; write one like Europe/Berlin or UTC")
    return text

"""Names that are no settings: refused when they look like a misspelt one, otherwise ignored with a warning."""

import difflib
from collections.abc import Collection
from typing import Final

from digest.errors import BadSetting

MISSPELT: Final = (
    0.8  # how similar two names are, from 0 to 1, when one is taken for a misspelling of the other
)
_ELSEWHERE: Final = {
    "port": "the port is an option: `digest up --port`",
    "host": "the address is an option: `digest web --host`",
    "workers": "the number is an option: `digest up --workers`",
}


def describe_unknown(name: str, names: Collection[str]) -> str:
    """Which setting may have been meant by an unknown name; both in lower case, without DIGEST_."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    nearest = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.0)
    return f"the nearest name is {nearest[0]}"


def refuse_misspelt(given: Collection[str], known: Collection[str]) -> None:
    """Raise BadSetting for a variable that looks like a known one that is not given: a setting would be lost."""
    for name in sorted(set(given) - set(known)):
        if meant := difflib.get_close_matches(name, sorted(set(known) - set(given)), cutoff=MISSPELT):
            suggestions = " or ".join(meant)
            raise BadSetting(
                f"{name} is not a digest setting; did you mean {suggestions}? Rename or unset it"
            )

"""What the relay says, without whom it says it of: for words that stand longer than a reader's row."""

import re

MASK = "•••"
# What ends an address on either side. Each run is read once, whoever wrote it.
_END = r"\s<>()\[\]{}|,;:\"`@\\"
_IN_LINK = _END + "/?&="
_LOCAL = re.compile(
    r'"[^"\r\n]{1,64}"(?=@)'
    rf"|(?<![^{_END}])[^{_END}]+(?=@)"
    rf"|(?<![^{_IN_LINK}])(?:[^{_IN_LINK}%]|%(?!40))+(?=%40)"
)


def mask_addresses(words: str) -> str:
    """`words` with nothing left of any address but its domain: `550 5.1.1 <•••@example.org> unknown`."""
    return _LOCAL.sub(MASK, words)

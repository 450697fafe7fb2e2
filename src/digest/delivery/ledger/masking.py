"""Mask email addresses in relay replies that are kept longer than the reader's own data."""

import re

MASK = "•••"
# Characters that delimit an address. The patterns scan each run only once, even in hostile input.
_END = r"\s<>()\[\]{}|,;:\"`@\\"
_IN_LINK = _END + "/?&="
_LOCAL = re.compile(
    r'"[^"\r\n]{1,64}"(?=@)'
    rf"|(?<![^{_END}])[^{_END}]+(?=@)"
    rf"|(?<![^{_IN_LINK}])(?:[^{_IN_LINK}%]|%(?!40))+(?=%40)"
)


def mask_addresses(text: str) -> str:
    """`text` with every address reduced to its domain: `550 5.1.1 <•••@example.org> unknown`."""
    return _LOCAL.sub(MASK, text)

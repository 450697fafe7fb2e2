"""Signs that no person made a request: mail scanners and link previews fetch what they find."""

import re

# Names that scanners, previews and libraries give themselves; a person's browser has none (Cubot is a phone).
_NAMES = re.compile(
    r"(?<!cu)bot\b|crawl|spider|preview|scan|slurp|fetch|monitor|headless|python|curl|wget|libwww|java/|okhttp|go-http"
    r"|proofpoint|barracuda|mimecast|safelinks|fireeye|symantec|trendmicro|sophos|facebookexternalhit"
    r"|googleimageproxy|yahoomailproxy",
    re.IGNORECASE,
)


def looks_like_machine(agent: str, language: str, purpose: str) -> bool:
    """Whether a request gave itself away, by its User-Agent, Accept-Language and (Sec-)Purpose headers.

    Every browser names itself and its languages; a prefetch is a browser's guess, not a person's wish.
    """
    return not language or not agent or "prefetch" in purpose.lower() or bool(_NAMES.search(agent))

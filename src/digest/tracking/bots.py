"""Recognizes requests that no person made: mail scanners and link previews follow every link."""

import re

# User agents of scanners, previews and libraries; no browser contains these words (Cubot is a phone).
_NAMES = re.compile(
    r"(?<!cu)bot\b|crawl|spider|preview|scan|slurp|fetch|monitor|headless|python|curl|wget|libwww|java/|okhttp|go-http"
    r"|proofpoint|barracuda|mimecast|safelinks|fireeye|symantec|trendmicro|sophos|facebookexternalhit"
    r"|googleimageproxy|yahoomailproxy",
    re.IGNORECASE,
)


def looks_like_machine(agent: str, language: str, purpose: str) -> bool:
    """Whether a request shows that no person made it, by its User-Agent, Accept-Language and (Sec-)Purpose headers.

    Every browser sends the first two; a prefetch is the browser's guess, not a person's click.
    """
    return not language or not agent or "prefetch" in purpose.lower() or bool(_NAMES.search(agent))

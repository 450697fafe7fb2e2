"""The mail itself, opened as a reader's program opens it: pictures without words, and the way out of the list."""

from collections.abc import Iterator
from html.parser import HTMLParser

from digest.editorial.checks.finding import Finding, blocker, warning
from digest.render import preview
from digest.render.compile import Pressed
from digest.render.message_template import Reader, masked
from digest.render.slots import TYPICAL


def check_mail(pressed: Pressed, base_url: str) -> Iterator[Finding]:
    """What is wrong with the mail, whatever its template is."""
    mail = preview.open_mail(_typical(pressed))
    bare = _Pictures.without_alt(mail.html)
    if bare:
        text = f"{bare} picture{'s' if bare > 1 else ''} in the mail {'have' if bare > 1 else 'has'} no alt text."
        yield warning(
            "missing alt", text, 'Give each a text for those who do not see it, or alt="" to decoration.'
        )
    if not mail.text.strip():
        yield blocker("no text part", "The mail has no plain text.", "Mend the issue's template body.txt.")
    names = [name.lower() for name, _ in mail.headers]
    ways = [value for name, value in mail.headers if name.lower() == "list-unsubscribe"]
    one_click = names.count("list-unsubscribe-post") == 1 and len(ways) == 1 and ways[0].startswith("<http")
    if base_url.startswith("https://") and not one_click:
        text = "The mail has no one-click unsubscribe (RFC 8058), which Gmail and Yahoo want."
        yield blocker("one click", text, "Mend the mail's headers.")


def _typical(pressed: Pressed) -> bytes:
    plate = pressed.plate()
    text, html = masked("r•••@example.org")
    token = b"x" * TYPICAL
    name = token + b"@example.org"
    return plate.fill(Reader(b"reader@example.org", name, token, token, text, html, token))


class _Pictures(HTMLParser):
    """Counts <img> without an alt attribute; an empty one says that it is decoration (WCAG H67)."""

    def __init__(self) -> None:
        super().__init__()
        self.bare = 0

    @classmethod
    def without_alt(cls, html: str) -> int:
        counter = cls()
        counter.feed(html)
        return counter.bare

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.bare += tag == "img" and "alt" not in dict(attrs)

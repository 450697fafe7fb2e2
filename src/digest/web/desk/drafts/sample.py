"""The issue as a mail to somebody who gets nothing from it: the same press and plate as for those who do.

Its links hold no reader's tokens: they record nothing and change nothing, also where the mail is one reader's.
"""

import re
from dataclasses import replace
from html import escape

from digest.render import quoted_printable
from digest.render.compile import Pressed
from digest.render.message_template import Reader, masked

ADDRESS = "reader@example.org"
TOKEN = b"this-is-a-preview-and-this-link-leads-nowhere"
_CLICK = re.compile(r"https?://[^\s\"'<>]*?/go/preview-link-(\d+)")
_MARK = (
    '<div style="margin:0 auto;max-width:600px;padding:6px 12px;border:2px solid #8a5a00;background:#fbf4e4;'
    'color:#5a3b00;font:bold 13px/1.4 sans-serif">Changed since your last look</div>'
)


def sample_mail(
    made: Pressed, picks: tuple[int, ...] | None = None, *, to: str = ADDRESS, shown: str = "r•••@example.org"
) -> bytes:
    """The whole mail, as it would go on the wire, with these picks; None: all of them."""
    plate = made.plate(picks or None)
    text, html = masked(shown)
    reader = Reader(
        to=to.encode("ascii", "replace"),
        message_id=b"preview@example.org",
        unsubscribe=TOKEN,
        preferences=TOKEN,
        masked_text=text,
        masked_html=html,
        click=b"preview-link",
    )
    return plate.fill(reader)


def marked(made: Pressed, picks: frozenset[int]) -> Pressed:
    """The same issue with a mark above each of these picks, for looking at and never for sending."""
    mark = quoted_printable.closed(quoted_printable.encode([_MARK]))
    blocks = {pick: ((*mark, *piece) if pick in picks else piece) for pick, piece in made.html.blocks.items()}
    return replace(made, html=replace(made.html, blocks=blocks))


def for_a_frame(html: str, made: Pressed, *, leave: str, choose: str) -> str:
    """The HTML part for a look: links open beside it and lead straight on; `leave` and `choose` are nobody's tokens."""
    targets = {link.number: link.url for link in made.links}
    html = _CLICK.sub(lambda found: escape(targets.get(int(found[1]), "#")), html)
    token = TOKEN.decode()
    html = html.replace(f"/unsubscribe/{token}", f"/unsubscribe/{leave}")
    html = html.replace(f"/preferences/{token}", f"/preferences/{choose}")
    return re.sub(r"(<head[^>]*>)", r'\1<base target="_blank">', html, count=1)

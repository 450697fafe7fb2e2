"""The issue as an email for previews, made from the same compiled issue and template as the real one.

Its links hold no reader's tokens, so they record and change nothing, even when it shows one reader's email.
"""

import re
from dataclasses import replace
from html import escape

from digest.audience.origins import SUBSCRIBED
from digest.render import quoted_printable
from digest.render.compiled_issue import CompiledIssue
from digest.render.message_template import MergeFields, encode_merge_text

ADDRESS = "reader@example.org"
TOKEN = b"this-is-a-preview-and-this-link-leads-nowhere"
_CLICK_LINK = re.compile(r"https?://[^\s\"'<>]*?/go/preview-link-(\d+)")
_CHANGE_MARKER = (
    '<div style="margin:0 auto;max-width:600px;padding:6px 12px;border:2px solid #8a5a00;background:#fbf4e4;'
    'color:#5a3b00;font:bold 13px/1.4 sans-serif">Changed since your last review</div>'
)


def render_sample(
    made: CompiledIssue,
    picks: tuple[int, ...] | None = None,
    *,
    to: str = ADDRESS,
    shown: str = "r•••@example.org",
    origin: str = SUBSCRIBED,
) -> bytes:
    """The whole email as it would be sent, with these picks (ids); None or empty means all of them."""
    template = made.message_template(picks or None)
    text, html = encode_merge_text(shown)
    origin_text, origin_html = encode_merge_text(origin)
    reader = MergeFields(
        to=to.encode("ascii", "replace"),
        message_id=b"preview@example.org",
        unsubscribe=TOKEN,
        preferences=TOKEN,
        masked_text=text,
        masked_html=html,
        click=b"preview-link",
        origin_text=origin_text,
        origin_html=origin_html,
    )
    return template.fill(reader)


def mark_changes(made: CompiledIssue, picks: frozenset[int]) -> CompiledIssue:
    """The same issue with a marker above each of these picks. For previews only."""
    marks = {f"lead-{pick}": _CHANGE_MARKER for pick in picks}
    marks |= {
        f"pick-{pick}": f"<tr><td>{_CHANGE_MARKER}</td></tr>" for pick in picks
    }  # these are rows of one table
    html = {
        name: (*quoted_printable.end_line(quoted_printable.encode([marks[name]])), *piece)
        if name in marks
        else piece
        for name, piece in made.html.items()
    }
    return replace(made, html=html)


def prepare_for_iframe(html: str, made: CompiledIssue, *, unsubscribe: str, preferences: str) -> str:
    """The HTML part for the preview's frame: links open in a new tab and lead straight to their targets.

    `unsubscribe` and `preferences` are test tokens, which belong to nobody.
    """
    targets = {link.number: link.url for link in made.links}
    html = _CLICK_LINK.sub(lambda found: escape(targets.get(int(found[1]), "#")), html)
    token = TOKEN.decode()
    html = html.replace(f"/unsubscribe/{token}", f"/unsubscribe/{unsubscribe}")
    html = html.replace(f"/preferences/{token}", f"/preferences/{preferences}")
    return re.sub(r"(<head[^>]*>)", r'\1<base target="_blank">', html, count=1)

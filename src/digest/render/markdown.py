"""An editor's Markdown as HTML for a mail and as plain text: bounded in size and depth, and never more than text."""

import html as _html
import re
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from digest.errors import BadInput
from digest.render import wrap
from digest.render.clean import multiline

MAX_CHARS = 20_000
MAX_DEPTH = 20  # mjml-python kills the process on deep HTML

Link = Callable[[str, str], str]  # (URL, label) -> the URL that the mail shows

_TAGS = {"p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a", "h3"}
_STYLES = {
    "p": "margin:0 0 12px",
    "ul": "margin:0 0 12px;padding:0 0 0 24px",
    "ol": "margin:0 0 12px;padding:0 0 0 24px",
}
_LINK: dict[str, str | int | float] = {"class": "a", "style": "color:#1f4fa3"}
_ITEM = re.compile(r" *(?:-|\d+[.)]) ")
_SCHEMES = {"http", "https", "mailto"}


class RenderedMarkdown:
    """One Markdown text both ways, its links in the same order."""

    def __init__(self, md: str, link: Link | None = None) -> None:
        """Raises BadInput as `to_html`."""
        self.html = Markup(to_html(md, link, styled=True))  # noqa: S704 it was cleaned by nh3
        self.text = to_text(md, link)


def to_html(md: str, link: Link | None = None, *, styled: bool = False) -> str:
    """Safe HTML of Markdown; `link` says what becomes of each URL. Raises BadInput beyond 20,000 characters.

    `styled` writes a mail's styles onto the elements, because some mail programs read no style sheet.

    Raw HTML is shown as it was typed, pictures are left out (a mail works without), and what nests more than 20 deep
    is shown as plain paragraphs.
    """
    tokens = _tokens(md)
    if _depth(tokens) > MAX_DEPTH:
        return "".join(f"<p>{_html.escape(part)}</p>" for part in multiline(md).split("\n\n"))
    for token in _all(tokens):
        _dress(token, link, styled=styled)
    parser = _parser()
    raw = parser.renderer.render(tokens, parser.options, {})
    attributes = {"a": {"href", "style", "class"}, "p": {"style"}, "ul": {"style"}, "ol": {"style", "start"}}
    clean = nh3.clean(raw, tags=_TAGS, attributes=attributes, url_schemes=_SCHEMES, link_rel=None)
    return clean.strip()


def to_text(md: str, link: Link | None = None) -> str:
    """Markdown as plain text in 72 columns, each link's URL on a line of its own. Raises BadInput as `to_html`."""
    tokens = _tokens(md)
    if _depth(tokens) > MAX_DEPTH:
        return "\n\n".join(wrap.paragraph(part) for part in multiline(md).split("\n\n"))
    blocks = _text_blocks(tokens, link)
    return "".join(part for place, block in enumerate(blocks) for part in (_gap(blocks, place), block))


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "maxNesting": 5 * MAX_DEPTH}).disable(
        ["image", "html_block", "html_inline"]
    )


def _tokens(md: str) -> list[Token]:
    if len(md) > MAX_CHARS:
        raise BadInput(f"this text has {len(md):,} characters; {MAX_CHARS:,} are the most")
    return _parser().parse(multiline(md))


def _all(tokens: Sequence[Token]) -> list[Token]:
    return [one for token in tokens for one in (token, *(token.children or ()))]


def _depth(tokens: Sequence[Token]) -> int:
    depth = deepest = 0
    for token in _all(tokens):
        depth += token.nesting
        deepest = max(deepest, depth)
    return deepest


def _dress(token: Token, link: Link | None, *, styled: bool) -> None:
    """A token as we show it: headings below our own (a mail's are bold lines), links by way of `link`."""
    if token.type.startswith("heading"):
        token.tag = "p" if styled else "h3"
    if styled and token.nesting == 1 and token.tag in _STYLES:
        bold = ";font-weight:bold" if token.type == "heading_open" else ""
        token.attrSet("style", _STYLES[token.tag] + bold)
    if token.type == "link_open":
        href = str(token.attrGet("href") or "")
        token.attrs = {"href": _target(href, link), **(_LINK if styled else {})}


def _target(url: str, link: Link | None) -> str:
    return link(url, url) if link and is_trackable(url) else url


def is_trackable(url: str) -> bool:
    """Whether clicks on this URL may go by way of us: a web address, not a mailto."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _text_blocks(tokens: Sequence[Token], link: Link | None) -> list[str]:
    """Paragraphs, items and rules in order; an item keeps its mark, a quotation its `>`."""
    blocks: list[str] = []
    marks: list[str] = []
    for token in tokens:
        if token.type in {"bullet_list_open", "ordered_list_open", "blockquote_open"}:
            marks.append({"b": "- ", "o": "1. "}[token.type[0]] if "list" in token.type else "> ")
        elif token.type in {"bullet_list_close", "ordered_list_close", "blockquote_close"}:
            marks.pop()
        elif token.type == "list_item_open" and token.info:
            marks[-1] = f"{token.info}{token.markup} "
        elif token.type == "inline":
            blocks.append(_text_paragraph(token, marks, link))
        elif token.type in {"fence", "code_block"}:
            blocks.append("\n".join(f"    {row}" for row in token.content.rstrip().split("\n")))
        elif token.type == "hr":
            blocks.append("* * *")
    return blocks


def _gap(blocks: Sequence[str], place: int) -> str:
    """Nothing before the first block, a line break between two items of a list, a blank line elsewhere."""
    if not place:
        return ""
    return "\n" if all(_ITEM.match(block) for block in blocks[place - 1 : place + 1]) else "\n\n"


def _text_paragraph(token: Token, marks: Sequence[str], link: Link | None) -> str:
    first = "".join(marks)
    rest = "".join(mark if mark == "> " else " " * len(mark) for mark in marks)
    words, links = _inline(token.children or (), link)
    return "\n".join([wrap.paragraph(words, first=first, rest=rest), *(f"{rest}{url}" for url in links)])


def _inline(children: Sequence[Token], link: Link | None) -> tuple[str, list[str]]:
    words, links = "", []
    for child in children:
        if child.type in {"softbreak", "hardbreak"}:
            words += " "
        elif child.type == "link_open":
            links.append(_target(str(child.attrGet("href") or ""), link))
        else:
            words += child.content
    return words, links

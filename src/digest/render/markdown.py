"""An editor's Markdown as HTML for a mail and as plain text: bounded in size and depth, and never more than text."""

import html as _html
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from markupsafe import Markup

from digest.errors import BadInput
from digest.render import markdown_text, wrap
from digest.render.clean import multiline

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_CHARS = 20_000
MAX_DEPTH = 20  # mjml-python kills the process on deep HTML

Link = Callable[[str, str], str]  # (URL, label) -> the URL that the mail shows

_TAGS = {"p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a", "h3"}
_DIRECTED = {"p", "ul", "ol", "blockquote", "h3"}
_STYLES = {
    "p": "margin:0 0 12px",
    "ul": "margin-top:0;margin-bottom:12px",  # the sides are left to the mail program, which knows the direction
    "ol": "margin-top:0;margin-bottom:12px",
}
_LINK: dict[str, str | int | float] = {"class": "a", "style": "color:#1f4fa3"}
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
    import nh3

    tokens = _tokens(md)
    if _depth(tokens) > MAX_DEPTH:
        return "".join(f"<p>{_html.escape(part)}</p>" for part in multiline(md).split("\n\n"))
    for token in _all(tokens):
        _dress(token, styled=styled)
    for token in tokens:
        _join_ideographs(token.children or ())
        _link(token.children or (), link, styled=styled)
    parser = _parser()
    raw = parser.renderer.render(tokens, parser.options, {})
    attributes = {"a": {"href", "style", "class"}, **{tag: {"dir", "style"} for tag in _DIRECTED}}
    attributes["ol"].add("start")
    clean = nh3.clean(raw, tags=_TAGS, attributes=attributes, url_schemes=_SCHEMES, link_rel=None)
    return clean.strip()


def to_text(md: str, link: Link | None = None) -> str:
    """Markdown as plain text in 72 columns, each link's URL on a line of its own. Raises BadInput as `to_html`."""
    tokens = _tokens(md)
    if _depth(tokens) > MAX_DEPTH:
        return "\n\n".join(wrap.paragraph(part) for part in multiline(md).split("\n\n"))
    return markdown_text.to_text(tokens, lambda url, words: _target(url, words, link))


def _parser() -> "MarkdownIt":
    # Here, like the other libraries that render: a worker at rest renders nothing.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False, "maxNesting": 5 * MAX_DEPTH}).disable(
        ["image", "html_block", "html_inline"]
    )


def _tokens(md: str) -> "list[Token]":
    if len(md) > MAX_CHARS:
        raise BadInput(f"this text has {len(md):,} characters; the limit is {MAX_CHARS:,}")
    return _parser().parse(multiline(md))


def _all(tokens: "Sequence[Token]") -> "list[Token]":
    return [one for token in tokens for one in (token, *(token.children or ()))]


def _depth(tokens: "Sequence[Token]") -> int:
    depth = deepest = 0
    for token in _all(tokens):
        depth += token.nesting
        deepest = max(deepest, depth)
    return deepest


def _dress(token: "Token", *, styled: bool) -> None:
    """A token as we show it: headings below our own (a mail's are bold lines), each block in its own direction."""
    if token.type.startswith("heading"):
        token.tag = "p" if styled else "h3"
    if token.nesting == 1 and token.tag in _DIRECTED:
        token.attrSet("dir", "auto")
    if styled and token.nesting == 1 and token.tag in _STYLES:
        bold = ";font-weight:bold" if token.type == "heading_open" else ""
        token.attrSet("style", _STYLES[token.tag] + bold)


def _join_ideographs(children: "Sequence[Token]") -> None:
    """Drop line breaks between ideographs, which a browser would show as blanks."""
    last, line_break = "", None
    for token in children:
        if token.type == "softbreak":
            line_break = token
        elif token.content:
            if line_break and markdown_text.BETWEEN_IDEOGRAPHS.search(f"{last}\n{token.content[0]}"):
                line_break.type, line_break.content = "text", ""
            last, line_break = token.content[-1], None


def _link(children: "Sequence[Token]", link: Link | None, *, styled: bool) -> None:
    """Lead the links of a paragraph where `link` says."""
    words, opened = "", None
    for token in children:
        if token.type == "link_open":
            words, opened = "", token
        elif token.type == "link_close" and opened is not None:
            href = str(opened.attrGet("href") or "")
            target = {"href": _target(href, words, link)} if href else {}
            opened.attrs = {**target, **(_LINK if styled else {})}
        else:
            words += token.content


def _target(url: str, words: str, link: Link | None) -> str:
    return link(url, url) if link and is_trackable(url) and not shows_address(words, url) else url


def shows_address(words: str, url: str) -> bool:
    """Whether a link's visible words hold an address, or name the host that the link leads to.

    Behind such words stands what they say and no redirect of ours: a name that leads elsewhere is how phishing looks.
    """
    words = words.casefold()
    if re.search(r"(?:https?://|\bwww\.)\S", words):
        return True
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    return bool(host) and re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-]|\.\w)", words) is not None


def is_trackable(url: str) -> bool:
    """Whether clicks on this URL may go by way of us: a web address, not a mailto."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)

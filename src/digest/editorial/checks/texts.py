"""The texts that an editor wrote for an issue, and the links and merge fields in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

from digest.editorial.models import Issue

# Merge fields of any mail tool. Each is limited in length: a text full of opening brackets must not be searched to its
# end from every one of them. `[[1]](url)` is a Markdown link and not a merge field.
_MERGE_FIELD = re.compile(
    r"\{\{.{0,200}?\}\}|\{%.{0,200}?%\}|\*\|.{0,200}?\|\*|%%\w{1,200}%%|\[\[[^\[\]]{0,200}\]\](?!\()",
    re.DOTALL,
)
_MAX_NESTING = 20


@dataclass(frozen=True)
class EditorText:
    """One text of the issue: what it is called in a sentence, the form field that holds it, and its Markdown."""

    label: str
    location: str
    markdown: str


def editor_texts(issue: Issue) -> Sequence[EditorText]:
    """Return the intro and the notes of the issue."""
    notes = [
        EditorText(f"the note on pick {pick.position}", f"note-{pick.comparison_id}", pick.note)
        for pick in issue.picks
        if pick.note
    ]
    return [EditorText("the intro", "intro", issue.intro), *notes]


def extract_links(markdown: str) -> list[str]:
    """Return the link targets in a Markdown text, in order and without duplicates, also those a mail would omit."""
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _MAX_NESTING})
    setattr(parser, "validateLink", lambda _url: True)  # noqa: B010  mypy: a method; report bad links, do not hide them
    children = (child for token in parser.parse(markdown) for child in token.children or ())
    links = (str(child.attrGet("href") or "") for child in children if child.type == "link_open")
    return list(dict.fromkeys(links))


def find_merge_fields(text: str) -> list[str]:
    """Return the merge fields in a text, such as {{name}}, in order and without duplicates."""
    return list(dict.fromkeys(_MERGE_FIELD.findall(text)))


def is_followable(url: str) -> bool:
    """Return whether a mail program could open the link: a web or email address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme in {"http", "https"} and bool(parts.netloc)

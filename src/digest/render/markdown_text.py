"""An editor's Markdown as plain text in 72 columns, the way a person types an email."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from digest.render.wrap import COLUMNS, IDEOGRAPHS, to_columns

if TYPE_CHECKING:
    from markdown_it.token import Token
    from markdown_it.tree import SyntaxTreeNode

Target = Callable[[str, str], str]  # (URL, visible text) -> the URL that the mail shows

BETWEEN_IDEOGRAPHS = re.compile(f"(?<=[{IDEOGRAPHS}])\n(?=[{IDEOGRAPHS}])")
_HARD_BREAK = "\0"


def to_text(tokens: "Sequence[Token]", target: Target) -> str:
    """The parsed Markdown as text; `target` says what becomes of each link, which stands on a line of its own."""
    from markdown_it.tree import SyntaxTreeNode

    return "\n".join(_blocks(SyntaxTreeNode(tokens).children, COLUMNS, target))


def _blocks(nodes: "Sequence[SyntaxTreeNode]", columns: int, target: Target) -> list[str]:
    """The lines of blocks below one another: a blank line between two, but none inside a tight list's item."""
    lines: list[str] = []
    for place, node in enumerate(nodes):
        if place and not _is_tight(nodes[place - 1]):
            lines.append("")
        lines += _block(node, columns, target)
    return lines


def _block(node: "SyntaxTreeNode", columns: int, target: Target) -> list[str]:
    match node.type:
        case "paragraph" | "heading":
            return _paragraph(node.children[0].children, columns, target) if node.children else []
        case "bullet_list" | "ordered_list":
            return _list(node, columns, target)
        case "blockquote":
            return [f"> {line}".rstrip() for line in _blocks(node.children, columns - 2, target)]
        case "fence" | "code_block":
            return [f"    {line}".rstrip() for line in node.content.rstrip("\n").split("\n")]
        case _:
            return ["* * *"]


def _list(node: "SyntaxTreeNode", columns: int, target: Target) -> list[str]:
    """The items below their marks; numbers count on from the first, whatever the editor typed behind it."""
    lines: list[str] = []
    number = int(node.attrs.get("start", 1))
    spread = any(
        not _is_tight(part) for item in node.children for part in item.children if part.type == "paragraph"
    )
    for place, item in enumerate(node.children):
        mark = f"{number + place}{item.markup} " if node.type == "ordered_list" else "- "
        body = _blocks(item.children, columns - len(mark), target) or [""]
        if lines and spread:
            lines.append("")
        lines.append(f"{mark}{body[0]}".rstrip())
        lines += [f"{' ' * len(mark)}{line}".rstrip() for line in body[1:]]
    return lines


def _is_tight(node: "SyntaxTreeNode") -> bool:
    """Whether this is a paragraph of a list whose items stand close together (CommonMark, 5.3)."""
    return node.type == "paragraph" and node.hidden


def _paragraph(children: "Sequence[SyntaxTreeNode]", columns: int, target: Target) -> list[str]:
    urls: list[str] = []
    words = "".join(_inline(children, target, urls))
    parts = BETWEEN_IDEOGRAPHS.sub("", words).split(_HARD_BREAK)
    return [*(line for part in parts for line in to_columns(part, columns)), *urls]


def _inline(children: "Sequence[SyntaxTreeNode]", target: Target, urls: list[str]) -> Iterator[str]:
    """The words of a paragraph; what its links lead to is added to `urls`, unless the words say it already."""
    for child in children:
        match child.type:
            case "softbreak":
                yield "\n"
            case "hardbreak":
                yield _HARD_BREAK
            case "code_inline":
                yield f"`{child.content}`"
            case "link":
                words = "".join(_inline(child.children, target, urls))
                url = target(str(child.attrs.get("href", "")), words)
                yield words
                if url and url.removeprefix("mailto:") != words:
                    urls.append(url)
            case _:
                yield child.content if not child.children else "".join(_inline(child.children, target, urls))

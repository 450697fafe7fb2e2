"""Whether HTML closes what it opens: as browsers see it, and as Outlook does with its conditional comments opened."""

import re
from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "meta", "link", "wbr", "col", "area", "base"}


class Shape(HTMLParser):
    """The tags, texts and attributes of a document, and what is wrong with its nesting."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> stays open" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub("[ \\n\\t]+", " ", " ".join(self.words)).strip()


def for_outlook(html: str) -> str:
    """What Word's engine reads: `[if mso]` is opened, `[if !mso]` is dropped."""
    html = re.sub(r"<!--\[if !mso[^\]]*\]><!-->.*?<!--<!\[endif\]-->", "", html, flags=re.DOTALL)
    html = re.sub(r"<!--\[if [^\]]*\]>(.*?)<!\[endif\]-->", r"\1", html, flags=re.DOTALL)
    return re.sub(r"<(/?)o:\w+[^>]*>|<xml>|</xml>", "", html)


def faults(html: str) -> list[str]:
    return [*Shape(html).faults, *(f"Outlook: {fault}" for fault in Shape(for_outlook(html)).faults)]

"""What Word's engine, which Outlook for Windows uses, ignores: none of our mails may depend on it.

Word honours padding, borders, backgrounds and sizes on table cells, and margins on paragraphs and headings. The rules
are those of Microsoft's "Word 2007 HTML and CSS rendering capabilities in Outlook", which later versions share.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.render.balance import Shape, for_outlook
from tests.render.editions import MASTHEAD, block, edition, opened
from tests.render.test_letters import made

from digest.render.letters import KINDS

NOTE = "A *note*:\n\n- one\n- two\n\n> said\n\n1. first\n2. second"
ISSUE = edition(blocks=(block(1, note=NOTE), block(2, note=NOTE), block(3)), intro=NOTE)
MAILS = {
    "issue": lambda: opened(ISSUE).html,
    "variant": lambda: opened(ISSUE, (2, 3)).html,
    "right to left": lambda: opened(replace(ISSUE, masthead=replace(MASTHEAD, language="ar"))).html,
    "test": lambda: opened(ISSUE, test=True).html,
    **{kind: (lambda kind=kind: made(kind, link_url="https://example.org").html) for kind in KINDS},
}
CELLS = {"td", "th"}
IGNORED = {
    "display",
    "max-width",
    "overflow",
    "float",
    "position",
    "border-radius",
    "opacity",
    "background-image",
}


@pytest.mark.parametrize("name", MAILS)
def test_nothing_depends_on_what_word_ignores(name: str) -> None:
    assert list(_lost_in_word(for_outlook(MAILS[name]()))) == []


@pytest.mark.parametrize("name", MAILS)
def test_a_button_has_its_padding_on_the_cell(name: str) -> None:
    html = MAILS[name]()
    buttons = re.findall(r'<td class="btn"[^>]*style="([^"]*)"[^>]*><a class="btn"[^>]*style="([^"]*)"', html)
    assert len(buttons) == html.count('<a class="btn"')
    for cell, link in buttons:
        assert "mso-padding-alt:14px 26px" in cell
        assert "background-color:#1f4fa3" in cell
        assert "mso-padding-alt:0" in link


@pytest.mark.parametrize(
    "markup",
    [
        '<div style="padding:12px">x</div>',
        '<p style="border-left:2px solid red">x</p>',
        '<table style="margin-top:12px"></table>',
        '<div style="background-color:#eee">x</div>',
        '<td style="width:50%">x</td>',
        '<ul style="padding:0 0 0 24px"></ul>',
        '<td height="8" style="line-height:8px">&nbsp;</td>',
    ],
)
def test_the_guard_sees_each_kind_of_loss(markup: str) -> None:
    assert list(_lost_in_word(markup))


def _lost_in_word(html: str) -> Iterator[str]:
    for tag, attributes in Shape(html).tags:
        css = dict(
            part.strip().split(":", 1) for part in (attributes.get("style") or "").split(";") if ":" in part
        )
        classes = set((attributes.get("class") or "").split())
        for name, value in css.items():
            if _is_lost(tag, name, value, css, attributes, classes):
                yield f"{name}:{value} on <{tag}> {attributes}"


def _is_lost(
    tag: str, name: str, value: str, css: dict[str, str], attributes: dict[str, str | None], classes: set[str]
) -> bool:
    is_zero = not re.search("[1-9]", re.sub("#[0-9a-f]+|rgb.*", "", value))
    if name.startswith("padding"):
        fallback = tag == "a" and (css.get("mso-padding-alt") or css.get("display") == "inline-block")
        return tag not in CELLS and not is_zero and not fallback
    if name.startswith("border") and name not in {"border-collapse", "border-radius", "border-spacing"}:
        return tag not in {*CELLS, "table"} and value != "0" and not is_zero
    if name in {"background", "background-color"}:
        return tag not in {*CELLS, "table", "body"} and "btn" not in classes and "paper" not in classes
    if name.startswith("margin"):
        return tag in {"table", "td", "a", "span"} and not is_zero and value != "0px auto"
    if name == "width" and value.endswith("%") and tag in CELLS:
        return "width" not in attributes
    return name == "line-height" and "height" in attributes and "mso-line-height-rule" not in css

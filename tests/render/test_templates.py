"""mjml-python silently accepts unknown tags and attributes, so these tests look for them."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from tests.render.editions import edition, opened

from digest.errors import BadInput
from digest.render import environment, letters, mjml

LETTERS = ("issue", *letters.KINDS)
KNOWN = {
    "mjml": {"lang", "dir"},
    "mj-head": set(),
    "mj-title": set(),
    "mj-breakpoint": {"width"},
    "mj-attributes": set(),
    "mj-all": {"font-family"},
    "mj-raw": set(),
    "mj-style": set(),
    "mj-body": {"width", "background-color", "css-class"},
    "mj-section": {"padding", "css-class", "background-color", "direction"},
    "mj-column": {"padding", "css-class", "direction"},
    "mj-text": {
        "padding",
        "css-class",
        "font-size",
        "line-height",
        "color",
        "align",
        "container-background-color",
    },
    "mj-divider": {"padding", "css-class", "border-width", "border-color"},
}


def test_every_letter_has_its_three_templates_and_no_other() -> None:
    folders = {folder.name for folder in environment.templates_folder().iterdir() if folder.is_dir()}
    assert folders == set(LETTERS)
    for name in folders:
        assert {file.name for file in (environment.templates_folder() / name).iterdir()} == set(
            environment.PARTS
        )


@pytest.mark.parametrize(
    "file",
    sorted(environment.templates_folder().rglob("*.mjml")),
    ids=lambda file: f"{file.parent.name}/{file.name}",
)
def test_every_tag_and_attribute_is_one_that_mjml_knows(file: Path) -> None:
    for name, attributes in re.findall(r"<(mj[\w-]*)((?:\s+[\w-]+=\"[^\"]*\")*)\s*/?>", file.read_text()):
        assert name in KNOWN, f"{name} in {file}"
        assert set(re.findall(r"([\w-]+)=\"", attributes)) <= KNOWN[name], f"{name} in {file}"
    assert len(re.findall(r"<mj", file.read_text())) == len(
        re.findall(r"<mj[\w-]*(?:\s+[\w-]+=\"[^\"]*\")*\s*/?>", file.read_text())
    )


def test_markup_is_escaped_and_text_is_not() -> None:
    made = environment.environment()
    assert made.from_string("{{ x }}").render(x="<") == "&lt;"
    assert [made.autoescape(f"issue/{part}") for part in environment.PARTS] == [True, False, False]  # type: ignore[operator]


def test_an_undefined_variable_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        environment.render_template("issue", "subject.txt")


def test_attributes_keep_their_characters() -> None:
    html = mjml.to_html(
        "<mjml><mj-head><mj-title>é 👩\u200d👧 \\n क्ष</mj-title></mj-head><mj-body></mj-body></mjml>"
    )
    assert 'aria-label="é 👩\u200d👧 &#92;n क्ष"' in html


def test_a_line_break_in_an_attribute_is_a_template_error() -> None:
    with pytest.raises(BadInput, match="inside an attribute"):
        mjml.to_html('<mjml><mj-body css-class="a\nb"></mj-body></mjml>')


def test_malformed_or_deeply_nested_markup_is_refused() -> None:
    with pytest.raises(BadInput, match="well-formed"):
        mjml.to_html("<mjml><mj-body><p></mj-body></mjml>")
    with pytest.raises(BadInput, match="deep"):
        mjml.to_html("<mjml><mj-body>" + "<b>" * 5000 + "</b>" * 5000 + "</mj-body></mjml>")


def test_nothing_is_fetched_and_nothing_runs() -> None:
    html = opened(edition()).html
    assert not re.search(r"<(img|script|link|iframe|form|video|svg)\b|@import|url\(|\bon\w+=", html)
    assert set(re.findall(r"https?://[^/\"<]+", html)) <= {
        "https://verdicts.example.org",
        "http://www.w3.org",
    }
    assert "\\" not in html


def test_the_mail_supports_dark_mode() -> None:
    html = opened(edition()).html
    for mark in ('name="color-scheme" content="light dark"', "prefers-color-scheme:dark", "[data-ogsc]"):
        assert mark in html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.render.balance import Shape

from digest.errors import BadInput
from digest.render import markdown
from digest.render.mjml import to_html as mjml_to_html


def test_common_markdown_is_rendered() -> None:
    html = markdown.to_html("A **bold** word, *a soft one*, `code`.\n\n- one\n- two\n\n> said")
    assert html.startswith(
        '<p dir="auto">A <strong>bold</strong> word, <em>a soft one</em>, <code>code</code>.</p>'
    )
    assert "<li>one</li>" in html
    assert '<blockquote dir="auto">' in html


def test_raw_html_is_shown_as_text() -> None:
    html = markdown.to_html('<script>alert(1)</script> <b onclick="x">b</b> <!-- c -->')
    assert {tag for tag, _ in Shape(html).tags} == {"p"}
    assert Shape(html).text == '<script>alert(1)</script> <b onclick="x">b</b> <!-- c -->'


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd"]
)
def test_a_dangerous_link_leads_nowhere(url: str) -> None:
    assert "href" not in markdown.to_html(f"[x]({url})")


def test_web_links_are_tracked_and_mail_addresses_are_not() -> None:
    seen: list[str] = []

    def link(url: str, _label: str) -> str:
        seen.append(url)
        return "https://example.org/go/1"

    html = markdown.to_html("[a](https://example.net/a) [m](mailto:a@example.org)", link)
    assert seen == ["https://example.net/a"]
    assert 'href="https://example.org/go/1"' in html
    assert 'href="mailto:a@example.org"' in html


@pytest.mark.parametrize(
    ("link", "is_tracked"),
    [
        ("[the primer](https://example.net/p)", True),
        ("[Node.js](https://nodejs.example)", True),
        ("<https://example.net/p?a=1&b=2>", False),
        ("[https://example.net/p](https://example.net/p)", False),
        ("[**https://example.net**](https://example.net/p)", False),
        ("[www.example.net](https://example.net/p)", False),
        ("[`example.net/docs`](https://www.example.net/p)", False),
        ("[https://example.net](https://other.example)", False),
        ("[see https://example.net now](https://other.example)", False),
        ("[all of it on example.net](https://example.net/p)", False),
        ("[about myexample.net](https://example.net/p)", True),
    ],
)
def test_a_link_that_shows_an_address_leads_there_without_a_detour(link: str, is_tracked: bool) -> None:
    seen: list[str] = []

    def track(url: str, _label: str) -> str:
        seen.append(url)
        return "https://example.org/go/1"

    both = markdown.RenderedMarkdown(link, track)
    assert bool(seen) == is_tracked
    assert ("/go/" in both.html, "/go/" in both.text) == (is_tracked, is_tracked)


def test_a_line_break_between_ideographs_is_no_blank() -> None:
    assert markdown.to_html("日本語の\n**文章**は\nEnglish\ntoo") == (
        '<p dir="auto">日本語の<strong>文章</strong>は\nEnglish\ntoo</p>'
    )


def test_a_link_to_nowhere_is_only_its_words() -> None:
    both = markdown.RenderedMarkdown("[here](<>)")
    assert "href" not in both.html
    assert both.text == "here"


def test_headings_in_a_note_do_not_become_headings_of_the_mail() -> None:
    assert markdown.to_html("# One").startswith('<h3 dir="auto">One')
    assert "font-weight:bold" in markdown.RenderedMarkdown("# One").html
    assert "<h" not in markdown.RenderedMarkdown("# One\n\n## Two").html


def test_images_are_removed() -> None:
    assert "<img" not in markdown.to_html("![alt](https://example.net/p.png)")


@pytest.mark.parametrize(
    "deep", ["> " * 4000 + "x", "*" * 9000 + "x" + "*" * 9000, "- " * 4000 + "x", "[" * 9000]
)
def test_deep_nesting_is_flattened(deep: str) -> None:
    html = markdown.to_html(deep)
    assert "x" in html or "[" in html
    assert "x" in mjml_to_html(_mail(html)) or "[" in html
    assert markdown.to_text(deep)


def test_a_text_that_is_too_long_is_reported() -> None:
    with pytest.raises(BadInput, match="the limit is 20,000"):
        markdown.to_html("x" * 20_001)


@settings(deadline=None)
@given(st.text(st.sampled_from("ab *_`[]()<>!#&-+1.\n\"'\\{}%|~:/\u200d\u202e\x00é"), max_size=200))
def test_any_markdown_gives_valid_html_and_a_mail(text: str) -> None:
    html = markdown.to_html(text)
    assert Shape(html).faults == []
    mjml_to_html(_mail(markdown.RenderedMarkdown(text).html))
    markdown.to_text(text)


def _mail(html: str) -> str:
    return f"<mjml><mj-body><mj-section><mj-column><mj-text>{html}</mj-text></mj-column></mj-section></mj-body></mjml>"

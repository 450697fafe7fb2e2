import itertools
import json
import re
import zlib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.render.balance import Shape, faults
from tests.render.editions import BASE, MASTHEAD, block, edition, mail, opened, reader, side

from digest.errors import BadInput
from digest.render.compile import compile_issue
from digest.render.compiled_issue import MAGIC, CompiledIssue
from digest.render.content import Edition, to_json
from digest.render.parsed_mail import parse_mail
from digest.render.slots import slots_for


def test_the_mail_says_everything_in_both_parts() -> None:
    content = edition()
    made = opened(content)
    assert made.subject == content.subject
    for part in (Shape(made.html).text, " ".join(made.text.split())):
        for words in _words_of(content):
            assert words in part


def test_every_bulk_mail_header_is_present_once() -> None:
    headers = opened(edition()).headers
    names = [name for name, _ in headers]
    assert len(names) == len(set(names))
    found = dict(headers)
    assert found["From"] == "Weekly Tool Verdicts <verdicts@news.example.org>"
    assert found["To"] == "ada@example.com"
    assert found["Reply-To"] == "editor@example.org"
    assert found["Message-ID"] == "<41.7@news.example.org>"
    assert found["List-Id"] == "Weekly Tool Verdicts <weekly.news.example.org>"
    assert found["List-Unsubscribe"] == f"<{BASE}/unsubscribe/{'U' * 43}>"
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert found["List-Post"] == "NO"
    assert found["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(r"41:weekly:issue:[a-z0-9]{5,15}", found["Feedback-ID"])


def test_no_list_header_is_folded_or_encoded() -> None:
    head = mail(edition(masthead=replace(MASTHEAD, name="Größer als alles " * 9, sender_name="Ünï"))).split(
        b"\r\n\r\n"
    )[0]
    for row in head.split(b"\r\n"):
        if row.startswith((b"List-", b"Feedback-ID", b"Message-ID")):
            assert b"=?" not in row
    assert not re.search(rb"(List-[^\r\n]*|Message-ID[^\r\n]*)\r\n[ \t]", head)


def test_the_date_is_that_of_the_freeze() -> None:
    template = compile_issue(edition(), dated=datetime(2026, 11, 24, 8, 30, tzinfo=UTC)).message_template()
    assert b"\r\nDate: Tue, 24 Nov 2026 08:30:00 +0000\r\n" in template.fill(reader())


def test_text_comes_first_and_both_are_quoted_printable() -> None:
    parsed = message_from_bytes(mail(edition()), policy=policy.default)
    assert parsed.get_content_type() == "multipart/alternative"
    parts = list(parsed.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert {part["Content-Transfer-Encoding"] for part in parts} == {"quoted-printable"}
    assert parsed.defects == []


def test_the_wire_is_ascii_in_short_lines_that_need_no_dot_stuffing() -> None:
    dots = block(1, left=side(tool=".hidden", tagline=". . ."), note="...\n.\n..")
    wire = mail(edition(intro=".\n\n..\n\n...dots", blocks=(dots,)))
    assert wire.isascii()
    assert b"\r" not in wire.replace(b"\r\n", b"")
    assert b"\n" not in wire.replace(b"\r\n", b"")
    body = wire.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert all(len(row) <= 76 for row in body)
    assert not any(row.startswith(b".") for row in wire.split(b"\r\n"))


def test_a_token_of_sixty_characters_keeps_lines_short() -> None:
    template = compile_issue(edition()).message_template()
    wire = template.fill(reader(length=60))
    assert all(len(row) <= 76 for row in wire.partition(b"\r\n\r\n")[2].split(b"\r\n"))


def followed(part: str) -> set[int]:
    """The numbers of the links that a part shows."""
    return {int(number) for number in re.findall(rf"{BASE}/go/C+-([0-9]+)", part)}


def test_no_private_mark_remains() -> None:
    content = edition()
    mark = slots_for(to_json(content)).mark
    made = opened(content)
    body = made.html + made.text + repr([row for row in made.headers if row[0] != "Content-Type"])
    assert mark not in body


def test_content_that_contains_the_slot_mark_gets_another_mark() -> None:
    first = slots_for("some text").mark
    assert first != slots_for("some text" + first).mark
    assert slots_for("some text") == slots_for("some text")


def test_any_blocks_in_any_order_close_what_they_open() -> None:
    compiled = compile_issue(edition(4))
    for size in range(5):
        for order in itertools.permutations(compiled.picks, size):
            template = compiled.message_template(order)
            made = parse_mail(template.fill(reader()))
            assert faults(made.html) == []
            wanted = {link.number for link in compiled.links if link.pick_id in {None, *order}}
            assert followed(made.html) == followed(made.text) == wanted


def test_an_omitted_block_leaves_no_trace_in_either_part() -> None:
    compiled = compile_issue(edition(3))
    template = compiled.message_template((3, 1))
    made = parse_mail(template.fill(reader()))
    for part in (made.html, made.text):
        assert part.index("Lantern DB vs Marmalade 70B") < part.index("Quillet Mini vs Tinwhistle")
        assert "Orrery 3 vs Halyard" not in part
    omitted = {link.number for link in compiled.links if link.pick_id == 2}
    assert not omitted & (followed(made.html) | followed(made.text))


def test_a_missing_pick_is_refused() -> None:
    with pytest.raises(BadInput, match="each at most once"):
        compile_issue(edition(2)).message_template((1, 9))
    with pytest.raises(BadInput, match="each at most once"):
        compile_issue(edition(2)).message_template((1, 1))


def test_every_link_is_tracked_and_shows_its_target() -> None:
    content = edition(2)
    compiled = compile_issue(content)
    assert [link.number for link in compiled.links] == [1, 2, 3]
    assert compiled.links[0] == type(compiled.links[0])(
        1, None, "https://example.net/primer", compiled.links[0].label
    )
    assert {link.url for link in compiled.links[1:]} == {one.url for one in content.blocks}
    made = opened(content)
    direct = {f"{BASE}/issues/41", f"{BASE}/unsubscribe/{'U' * 43}", f"{BASE}/preferences/{'P' * 43}"}
    for tag, attributes in Shape(made.html).tags:
        href = attributes.get("href") or ""
        assert tag != "a" or href in direct or href.startswith(f"{BASE}/go/C")
    assert followed(made.html) == followed(made.text) == {1, 2, 3}


def test_a_test_mail_is_marked_and_its_links_record_nothing() -> None:
    compiled = compile_issue(edition(2), test=True)
    made = opened(edition(2), test=True)
    assert made.subject == "[Test] Parsnip against Tinwhistle, and more"
    assert compiled.links == ()
    assert "/go/" not in made.html + made.text
    assert "https://example.net/primer" in made.html
    assert "This is a test." in made.html
    assert "This is a test." in made.text


def test_the_same_issue_gives_the_same_bytes() -> None:
    assert compile_issue(edition()).to_bytes() == compile_issue(edition()).to_bytes()
    assert mail(edition()) == mail(edition())
    assert compile_issue(edition()).to_bytes() != compile_issue(edition(subject="Another")).to_bytes()


def test_a_compiled_issue_survives_serialization() -> None:
    compiled = compile_issue(edition())
    again = CompiledIssue.from_bytes(compiled.to_bytes())
    assert again == compiled
    template, other = compiled.message_template(), again.message_template()
    assert template.fill(reader()) == other.fill(reader())


def test_unrelated_bytes_are_refused() -> None:
    with pytest.raises(BadInput, match="not a compiled issue"):
        CompiledIssue.from_bytes(b"digest-pressed-0\n")


WHOLE = compile_issue(edition(1)).to_bytes()
FIELDS = ("version", "links", "html_bytes", "headers", "text", "between", "html", "end")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=8),
)


@given(st.integers(len(MAGIC), len(WHOLE) - 1))
def test_a_record_that_was_cut_short_is_refused(place: int) -> None:
    with pytest.raises(BadInput, match="damaged"):
        CompiledIssue.from_bytes(WHOLE[:place])


@given(st.integers(len(MAGIC), len(WHOLE) - 1), st.integers(1, 255))
def test_a_damaged_byte_is_refused_or_does_no_harm(place: int, flip: int) -> None:
    damaged = WHOLE[:place] + bytes([WHOLE[place] ^ flip]) + WHOLE[place + 1 :]
    with suppress(BadInput):
        assert CompiledIssue.from_bytes(damaged).to_bytes() == WHOLE  # some bits of it say nothing


@given(JSON)
def test_a_wrong_record_with_the_right_mark_is_bad_input(record: object) -> None:
    with suppress(BadInput):
        CompiledIssue.from_bytes(MAGIC + zlib.compress(json.dumps(record).encode()))


@pytest.mark.parametrize("record", [b"[" * 100_000, b"\xff", b"", b"{}"])
def test_anything_but_a_record_is_refused(record: bytes) -> None:
    with pytest.raises(BadInput, match="damaged"):
        CompiledIssue.from_bytes(MAGIC + zlib.compress(record))


def test_an_address_cannot_break_out_of_its_header() -> None:
    template = compile_issue(edition(1)).message_template()
    with pytest.raises(ValueError, match="line break"):
        template.fill(reader(address="a@example.org>\r\nBcc: all@example.org"))


@pytest.mark.parametrize(
    "base", ["https://e.org/\r\nX: y", "ftp://e.org", "https:// e.org", "verdicts.example.org"]
)
def test_an_invalid_base_url_is_refused(base: str) -> None:
    with pytest.raises(BadInput, match="not a web address"):
        compile_issue(edition(base_url=base))


def test_five_picks_stay_far_below_what_gmail_clips() -> None:
    compiled = compile_issue(edition(5))
    assert abs(compiled.html_bytes - len(opened(edition(5)).html.encode())) < 400
    assert compiled.html_bytes < 60_000
    assert compile_issue(edition(12)).html_bytes < 90_000


def test_an_issue_without_picks_intro_or_reply_address_is_still_a_mail() -> None:
    made = opened(edition(0, intro="", masthead=replace(MASTHEAD, reply_to=None, postal_address="")))
    assert faults(made.html) == []
    assert "Reply-To" not in dict(made.headers)


def test_right_to_left_languages_are_marked_as_such() -> None:
    html = opened(edition(1, masthead=replace(MASTHEAD, language="ar"))).html
    tag, attributes = Shape(html).tags[0]
    assert (tag, attributes["lang"], attributes["dir"]) == ("html", "ar", "rtl")


def _words_of(content: Edition) -> list[str]:
    words = [
        MASTHEAD.name,
        MASTHEAD.tagline,
        "No. 41",
        "24 November 2026",
        "10115 Berlin",
        "a•••@example.com",
    ]
    for one in content.blocks:
        words += [
            f"{one.left.tool} vs {one.right.tool}",
            one.left.entry_price,
            f"{one.left.panel_ship}%",
            "64% ship",
        ]
    return words


@pytest.mark.parametrize(
    ("base", "claimed"),
    [
        ("https://verdicts.example.org", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        ("http://desk.localhost:8000", True),
        ("http://localhost.verdicts.dev", False),
        ("http://192.168.0.7:8000", False),
        ("http://verdicts.dev", False),
    ],
)
def test_one_click_unsubscribe_is_offered_only_over_https_or_on_this_machine(
    base: str, claimed: bool
) -> None:
    headers = dict(opened(edition(1, base_url=base)).headers)
    assert headers["List-Unsubscribe"] == f"<{base}/unsubscribe/{'U' * 43}>"
    assert ("List-Unsubscribe-Post" in headers) == claimed


@pytest.mark.parametrize("intro", ["", "Hello"])
@pytest.mark.parametrize("order", [(1, 2, 3), (2, 3), (3, 1), (2,)])
def test_whichever_pick_comes_first_one_hairline_stands_above_it(intro: str, order: tuple[int, ...]) -> None:
    html = opened(edition(3, intro=intro), order).html
    head, *blocks = re.split(r'<td class="ln" height="24" style="border-top:1px solid #e2ddd2', html)
    assert len(blocks) == len(order)
    assert ("border-bottom:1px solid" in head) == bool(intro)


@pytest.mark.parametrize("intro", ["", "Hello"])
def test_no_two_rules_of_the_text_stand_on_each_other(intro: str) -> None:
    assert not re.search(r"^[=-]{20,}\s+[=-]{20,}$", opened(edition(3, intro=intro)).text, re.MULTILINE)


def test_right_to_left_paragraphs_begin_at_the_right() -> None:
    aligned = [
        set(re.findall(r"line-height:1.55;text-align:(\w+)", html))
        for html in (
            opened(edition(2, masthead=replace(MASTHEAD, language="ar"))).html,
            opened(edition(2)).html,
        )
    ]
    assert aligned == [{"right", "center"}, {"left", "center"}]


def test_right_to_left_columns_and_tables_begin_at_the_right_too() -> None:
    html = opened(edition(2, masthead=replace(MASTHEAD, language="ar"))).html
    assert set(re.findall(r"direction:(\w+)", html)) == {"rtl"}
    assert set(re.findall(r"direction:(\w+)", opened(edition(2)).html)) == {"ltr"}

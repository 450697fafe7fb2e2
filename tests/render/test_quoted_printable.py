import quopri
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from digest.render import quoted_printable
from digest.render.message_template import encode_merge_text
from digest.render.slots import Piece

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=300)


def test_a_slot_stands_alone_on_its_line() -> None:
    piece = quoted_printable.encode(['href="https://example.org/go/', 3, '">x'])
    assert joined(piece, b"T" * 60).split(b"\r\n") == [
        b'href=3D"https://example.org/go/=',
        b"T" * 60 + b"=",
        b'">x',
    ]


def test_no_line_begins_with_a_dot() -> None:
    assert joined(quoted_printable.encode([".first\n..\n" + "a" * 75 + ".next"]), b"").count(b"=2E") == 3


def test_mailbox_files_need_no_from_escaping() -> None:
    assert joined(quoted_printable.encode(["From here on"]), b"") == b"=46rom here on"


@settings(deadline=None)
@given(
    st.lists(st.one_of(TEXT, st.integers(0, 40)), max_size=8),
    st.from_regex(r"[A-Za-z0-9_-]{0,60}", fullmatch=True),
)
def test_any_encoded_text_decodes_to_itself(parts: list[str | int], token: str) -> None:
    wire = joined(quoted_printable.encode(parts), token.encode())
    lines = wire.split(b"\r\n")
    assert all(len(line) <= 76 and not line.startswith(b".") for line in lines)
    assert not re.search(rb"[ \t]\r\n|[^\x20-\x7e\r\n\t]", wire)
    wanted = "".join(token if isinstance(part, int) else part for part in parts)
    assert quopri.decodestring(wire).replace(b"\r\n", b"\n").decode() == wanted


@settings(deadline=None)
@given(TEXT)
def test_a_masked_address_is_safe_in_its_slot(address: str) -> None:
    text, html = encode_merge_text(address)
    for value in (text, html):
        assert all(len(line) <= 76 and not line.startswith(b".") for line in value.split(b"\r\n"))
        assert value.isascii()
    assert b"<" not in html.replace(b"=3C", b"<") or b"<" not in html


def joined(piece: Piece, token: bytes) -> bytes:
    return b"".join(token if isinstance(part, int) else part for part in piece)

"""A letter has exactly the headers that it should have, whatever a name, a subject or a text contains."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.errors import BadInput
from digest.render.clean import single_line
from digest.render.compose import compose

HOSTILE = (
    "V =?utf-8?q?=0aBcc:x?=",
    "=?utf-8?b?DQpCY2M6IGFsbEBleGFtcGxlLm9yZw==?= now",
    "=?utf-8?q?=0a.=0d=0a?=",
    "a\r\nBcc: all@example.org\r\n\r\n.\r\n",
    "a\rBcc: x\n.\n",
    "a\u2028Bcc: x\x85b\x0bc",
    '"Ana" <evil@example.org>, b@example.org',
    "=?=?utf-8?q?=3D=3Futf-8=3Fq=3F=0a?=",
    "x" * 998,
    " ",
    "\x00",
)
HEADERS = {
    "Auto-Submitted": "auto-generated",
    "List-Unsubscribe": f"<https://example.org/unsubscribe/{'t' * 90}>",
}
NAMES = [
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "List-Unsubscribe"),
    *("MIME-Version", "Content-Type"),
]
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), max_size=200) | st.sampled_from(HOSTILE)


def letter(name: str = "Us", subject: str = "Hello", text: str = "Hi\n", **more: object) -> bytes:
    given = {
        "sender": (name, "us@example.org"),
        "to": "reader@example.net",
        "subject": subject,
        "text": text,
        "html": f"<p>{text}</p>\n",
        "message_id": "1@example.org",
        "date": datetime(2026, 11, 29, 12, tzinfo=UTC),
        "headers": HEADERS,
    }
    return compose(**{**given, **more})


def parsed(data: bytes) -> EmailMessage:
    return message_from_bytes(data, EmailMessage, policy=policy.default)


def display_name(mail: bytes) -> str:
    """The sender's name by RFC 2047; the new parser puts a blank between two encoded-words of a phrase."""
    phrase = message_from_bytes(mail)["From"].rpartition("<")[0].strip()
    return str(make_header(decode_header(phrase))) if "=?" in phrase else unquote(phrase)


@settings(max_examples=60)
@given(TEXT, TEXT, TEXT)
@example(*HOSTILE[:3])
@example(*HOSTILE[3:6])
@example(*HOSTILE[6:9])
def test_any_name_subject_and_text_give_exactly_these_headers(name: str, subject: str, text: str) -> None:
    data = letter(name, subject, text)
    mail = parsed(data)
    assert list(mail.keys()) == NAMES
    assert mail.defects == []
    assert str(mail["Subject"]) == single_line(subject)
    assert [address.addr_spec for address in mail["From"].addresses] == ["us@example.org"]
    assert display_name(data) == single_line(name)
    assert [address.addr_spec for address in mail["To"].addresses] == ["reader@example.net"]
    assert mail["List-Unsubscribe"] == HEADERS["List-Unsubscribe"]
    plain, html = mail.iter_parts()
    assert plain.get_content().replace("\r\n", "\n") == text.replace("\r\n", "\n")
    assert html.get_content_type() == "text/html"


@settings(max_examples=60)
@given(TEXT, TEXT, TEXT)
@example(*HOSTILE[:3])
@example(*HOSTILE[3:6])
def test_any_letter_is_made_of_short_ascii_lines_that_end_in_crlf(name: str, subject: str, text: str) -> None:
    data = letter(name, subject, text)
    assert data.isascii()
    assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n")
    assert data.endswith(b"\r\n")
    assert not any(line.startswith(b".") for line in data.split(b"\r\n"))
    head, _, body = data.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert max(map(len, body.split(b"\r\n"))) <= 76


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "a@b.example\r\nBcc: c@d.example"},
        {"to": "=?utf-8?q?=0aBcc:x?=@b.example"},
        {"to": "ä@b.example"},
        {"to": "a b@c.example"},
        {"sender": ("Us", "=?utf-8?q?x?=@b.example")},
        {"sender": ("Us", "us@b.example>, <evil@b.example")},
        {"message_id": "1@b.example>\r\nBcc: x"},
        {"headers": {"List-Unsubscribe": "<https://b.example>\r\nBcc: x"}},
        {"headers": {"List-Unsubscribe": "=?utf-8?q?=0aBcc:x?="}},
        {"headers": {"List-Unsubscribe": "x" * 999}},
    ],
)
def test_what_cannot_stand_in_a_header_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"cannot contain|is not a"):
        letter(**wrong)


def test_a_recipient_may_be_utf8_where_the_mail_is_sent_with_smtputf8() -> None:
    data = letter(to="zoë@example.net", wide=True)
    assert "To: <zoë@example.net>\r\n".encode() in data
    assert list(parsed(data).keys()) == NAMES

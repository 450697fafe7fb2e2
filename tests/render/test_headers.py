from email import message_from_string, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.render import headers
from digest.render.clean import single_line

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), max_size=150)


def test_a_plain_subject_stays_unchanged() -> None:
    assert headers.unstructured("Subject", "Parsnip, at last") == "Subject: Parsnip, at last"


def test_a_line_break_in_a_subject_becomes_a_blank() -> None:
    assert (
        headers.unstructured("Subject", "One\r\nBcc: all@example.org") == "Subject: One Bcc: all@example.org"
    )


@pytest.mark.parametrize(
    "subject", ["Größer", "एआई समाचार", "👩‍👩‍👧 says hi", "=?utf-8?q?not=20ours?=", "x" * 400]
)
def test_any_subject_decodes_to_itself(subject: str) -> None:
    assert parsed("Subject", headers.unstructured("Subject", subject)) == subject


@settings(deadline=None)
@given(WORDS)
def test_no_subject_breaks_its_header(subject: str) -> None:
    made = headers.unstructured("Subject", subject)
    assert made.isascii()
    assert all(len(row) <= 78 for row in made.split("\r\n"))
    assert all(row.startswith(" ") for row in made.split("\r\n")[1:])
    assert parsed("Subject", made) == single_line(subject)


@settings(deadline=None)
@given(WORDS)
def test_no_display_name_breaks_its_header(name: str) -> None:
    made = headers.mailbox("From", name, "news@example.org")
    mail = message_from_string(made + "\r\n\r\n", policy=policy.default)
    (address,) = mail["From"].addresses
    assert address.addr_spec == "news@example.org"
    assert made.isascii()


def parsed(name: str, row: str) -> str:
    return str(message_from_string(row + "\r\n\r\n", policy=policy.default)[name])

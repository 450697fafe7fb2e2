import pytest
from tests.render.editions import edition, mail

from digest.errors import BadInput
from digest.render.parsed_mail import parse_mail


def test_the_preview_shows_exactly_the_sent_mail() -> None:
    made = parse_mail(mail(edition()))
    assert made.subject == edition().subject
    assert made.html.startswith("<!doctype html>")
    assert made.text.startswith("Weekly Tool Verdicts")
    assert ("List-Post", "NO") in made.headers


def test_a_mail_without_its_parts_is_refused() -> None:
    with pytest.raises(BadInput, match="no text/html part"):
        parse_mail(b"Subject: x\r\n\r\nwords")

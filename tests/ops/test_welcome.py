"""What `digest up` prints once it runs: links that sign in are for a person at a terminal, never for a log."""

import sys
from pathlib import Path

import pytest

from digest.app import create_context
from digest.cli.processes.up import _print_welcome

LINK = "http://127.0.0.1:8000/desk/enter/a-token"


@pytest.mark.parametrize(("is_terminal", "shown"), [(True, LINK), (False, "/desk/  (`digest init` prints")])
def test_a_sign_in_link_is_printed_to_a_terminal_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_terminal: bool,
    shown: str,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    _print_welcome(create_context(home=tmp_path).settings(), LINK, [])
    said = capsys.readouterr().out
    assert shown in said
    assert (LINK in said) == is_terminal


@pytest.mark.parametrize(
    ("base_url", "shown"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/mailbox"),
        ("https://news.example.org", "/mailbox/new  (no email leaves"),
    ],
)
def test_a_public_site_shows_the_mail_folder_instead_of_the_mailbox_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], base_url: str, shown: str
) -> None:
    _print_welcome(create_context(home=tmp_path, base_url=base_url).settings(), None, [])
    said = capsys.readouterr().out
    assert shown in said
    assert "https://news.example.org/mailbox" not in said

"""`digest bounces read` reads whatever files there are, and says in one line each which it could not."""

import json
from pathlib import Path

from click.testing import CliRunner, Result
from tests.bounces.returned import failed, message

from digest.cli.bounces import group

HARD = failed("550 5.1.1 User unknown")
MBOX_LINE = b"From MAILER-DAEMON Mon Dec  7 09:00:00 2026\n"


def call(*words: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(group, ["read", *map(str, words)], input=stdin, catch_exceptions=False)


def kinds(result: Result) -> list[tuple[str, int, str, str | None]]:
    return [
        (Path(row["file"]).name, row["message"], row["kind"], row["recipient"])
        for row in json.loads(result.stdout)
    ]


def test_each_recipient_is_an_object_that_says_who_what_and_why(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(HARD)
    (row,) = json.loads(call(tmp_path / "one.eml", "--json").stdout)
    assert row == {
        "file": str(tmp_path / "one.eml"),
        "message": 1,
        "recipient": "ann@reader.example",
        "kind": "hard",
        "status": "5.1.1",
        "evidence": "Diagnostic-Code: 550 5.1.1 User unknown",
        "final_recipient": None,
        "message_id": "token-41@news.example",
        "original_to": "ann@reader.example",
        "return_path": "bounces+k7@news.example",
        "feedback_id": "41:verdicts:issue:news",
        "delivered_to": ["bounces+k7@news.example"],
    }


def test_emails_mboxes_maildirs_folders_and_standard_input_are_read(tmp_path: Path) -> None:
    auto = message("Back on Monday.", "Out of office", "Ann <ann@reader.example>")
    with_line = message("Hello\n\nFrom here on the reader writes.\n", "Hello", "bob@reader.example")
    (tmp_path / "box.mbox").write_bytes(b"\n".join(MBOX_LINE + raw for raw in (HARD, auto, with_line)))
    for name in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
        (tmp_path / "Maildir" / name / f"1.{name}:2,S").write_bytes(auto)
    box = [
        ("box.mbox", 1, "hard", "ann@reader.example"),
        ("box.mbox", 2, "autoreply", "ann@reader.example"),
        ("box.mbox", 3, "nothing", None),
    ]
    mails = [(f"1.{name}:2,S", 1, "autoreply", "ann@reader.example") for name in ("cur", "new")]
    assert kinds(call(tmp_path / "box.mbox", "--json")) == box
    assert kinds(call(tmp_path / "Maildir", "--json")) == mails
    assert kinds(call(tmp_path, "--json")) == [*mails, *box] or kinds(call(tmp_path, "--json")) == [
        *box,
        *mails,
    ]
    assert kinds(call("-", "--json", stdin=HARD)) == [("stdin", 1, "hard", "ann@reader.example")]


def test_text_for_people_ends_with_a_summary(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(HARD)
    (tmp_path / "two.eml").write_bytes(b"Subject: Hello\n\nHello")
    result = call(tmp_path)
    assert (
        result.stdout.splitlines()[0] == f"hard      5.1.1  ann@reader.example  {tmp_path}/one.eml, message 1"
    )
    assert result.stdout.splitlines()[-1] == "2 messages: 1 hard, 1 nothing"


def test_files_that_cannot_be_read_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(HARD)
    result = call(tmp_path / "no\nne.eml", "/dev/zero", tmp_path / "one.eml", "--json")
    assert kinds(result) == [("one.eml", 1, "hard", "ann@reader.example")]
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"digest: {tmp_path}/no ne.eml: No such file or directory",
        "digest: /dev/zero: not a regular file",
    ]


def test_an_empty_folder_is_an_empty_array(tmp_path: Path) -> None:
    assert json.loads(call(tmp_path, "--json").stdout) == []


def test_a_long_message_of_an_mbox_does_not_hide_the_next(tmp_path: Path) -> None:
    long = HARD + b"attachment " * 200_000 + b"\n"
    (tmp_path / "box").write_bytes(MBOX_LINE + long + b"\n" + MBOX_LINE + HARD)
    assert [kind for _, _, kind, _ in kinds(call(tmp_path / "box", "--json"))] == ["hard", "hard"]

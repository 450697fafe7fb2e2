"""`digest backup` says what it wrote, and what is not in it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from digest.access import audit_log
from digest.app import create_context
from digest.cli import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("digest.backup.age.WORK_FACTOR", 2)
    monkeypatch.delenv("DIGEST_BACKUP_PASSPHRASE", raising=False)
    digest(tmp_path, "init", "--no-link")
    return tmp_path


def digest(home: Path, *words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)), obj=create_context(home=str(home)))


def test_backup_says_what_it_wrote_and_that_it_is_readable(home: Path) -> None:
    done = digest(home, "backup", home / "a.backup")
    assert done.exit_code == 0, done.output
    assert f"{home / 'a.backup'}: " in done.stdout
    assert "It is not encrypted" in done.stderr
    again = digest(home, "backup", home / "a.backup")
    assert (again.exit_code, again.stderr) == (
        1,
        f"digest: {home / 'a.backup'} exists; choose another name\n",
    )


def test_backup_with_a_passphrase_is_encrypted_and_logged(home: Path) -> None:
    (home / "passphrase").write_text("correct horse\n")
    options = ("--passphrase-file", home / "passphrase", "--json")
    written = json.loads(digest(home, "backup", home / "a.backup", *options).stdout)
    assert written["encrypted"]
    assert written["rows"]["publication"] == 1
    assert (home / "a.backup").read_bytes().startswith(b"age-encryption.org/v1\n")
    with create_context(home=str(home)).services().db.read() as session:
        last = audit_log.list_entries(session)[0].entry
        assert (last.verb, last.details) == ("backed up", "encrypted")


def test_backup_to_a_folder_that_is_not_there_is_one_line(home: Path) -> None:
    done = digest(home, "backup", home / "missing" / "a.backup")
    assert done.exit_code == 1
    assert done.stderr == f"digest: {home}/missing/a.backup cannot be written: No such file or directory\n"


def test_an_empty_passphrase_is_refused(home: Path) -> None:
    (home / "passphrase").write_text("\n")
    done = digest(home, "backup", home / "a.backup", "--passphrase-file", home / "passphrase")
    assert done.exit_code == 1
    assert "is empty; it has to be the passphrase" in done.stderr
    assert not (home / "a.backup").exists()

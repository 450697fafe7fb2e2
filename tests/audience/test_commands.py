"""`digest subscribers` does what it says, and shows whole addresses only when asked."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from tests.audience.subscribers import create_publication, is_suppressed

from digest.cli import AppContext
from digest.cli.subscribers import group
from digest.db import Database
from digest.signing import Signer


@pytest.fixture
def house(sqlite: Database, signer: Signer) -> AppContext:
    with sqlite.begin() as session:
        create_publication(session)
    return AppContext(services=lambda: SimpleNamespace(db=sqlite, signer=signer, enqueue_soon=lambda _: None))


def call(house: AppContext, *words: str) -> Result:
    return CliRunner().invoke(group, list(words), obj=house, catch_exceptions=True)


def test_subscribers_are_imported_listed_and_exported(house: AppContext, tmp_path: Path) -> None:
    path = tmp_path / "readers.csv"
    path.write_text("email,status\nada@example.org,active\nbob@example.org,left\nbad,active\n")
    done = json.loads(
        call(house, "import", str(path), "--confirmed", "--source", "why we may", "--json").stdout
    )
    assert (done["rows"], done["added"], done["unsubscribed"], done["bad"]) == (3, 1, 1, 1)
    assert done["bad_rows"][0]["line"] == 4
    listed = call(house, "list")
    assert "a•••@example.org" in listed.stdout
    assert "ada@" not in listed.stdout
    assert json.loads(call(house, "list", "--json", "--addresses").stdout)["reachable"] == 1
    assert call(house, "export").stdout.count("@example.org") == 2
    assert len(json.loads(call(house, "export", "--json").stdout)) == 2
    held = json.loads(call(house, "export", "--address", "ada@example.org").stdout)
    assert (held["deliveries"], held["letters"], held["clicks"]) == ([], [], [])
    assert "imported" in call(house, "show", "ada@example.org").stdout


def test_an_empty_path_is_bad_usage(house: AppContext) -> None:
    refused = call(house, "import", "", "--confirmed", "--source", "why")
    assert refused.exit_code == 2
    assert "the path is empty" in refused.stderr


def test_a_subscriber_can_be_erased_and_suppressed(
    house: AppContext, tmp_path: Path, sqlite: Database, signer: Signer
) -> None:
    path = tmp_path / "readers.csv"
    path.write_text("ada@example.org\n")
    call(house, "import", str(path), "--confirmed", "--source", "why")
    assert call(house, "suppress", "bob@example.org").exit_code == 0
    assert call(house, "erase", "ada@example.org", "--yes").exit_code == 0
    again = json.loads(call(house, "import", str(path), "--confirmed", "--source", "why", "--json").stdout)
    assert (again["added"], again["suppressed"]) == (0, 1)
    with sqlite.read() as session:
        assert is_suppressed(session, signer, "bob@example.org")


def test_a_personal_export_includes_the_emails_sent_to_that_person(house: AppContext, tmp_path: Path) -> None:
    path = tmp_path / "readers.csv"
    path.write_text("ada@example.org\n")
    call(house, "import", str(path), "--invite")
    held = json.loads(call(house, "export", "--address", "ada@example.org").stdout)
    assert [(letter["kind"], letter["data"]) for letter in held["letters"]] == [
        ("confirm", {"imported_from": "import"})
    ]


def test_confirmed_requires_a_source(house: AppContext, tmp_path: Path) -> None:
    done = call(house, "import", str(tmp_path / "x.csv"), "--confirmed")
    assert done.exit_code == 2
    assert "where they gave consent" in done.stderr


def test_a_dry_run_reports_the_result_and_changes_nothing(house: AppContext, tmp_path: Path) -> None:
    path, rejected = tmp_path / "readers.csv", tmp_path / "rejected.csv"
    path.write_text(
        "email,name,Unsubscribed\nada@example.org,Ada,no\nbob@example.org,Bob,yes\nbad,Eve,no\nADA@example.org,Ada,no\n"
    )
    words = ("import", str(path), "--confirmed", "--source", "why", "--json")
    dry = json.loads(call(house, *words, "--dry-run").stdout)
    assert json.loads(call(house, "list", "--json").stdout)["reachable"] == 0
    assert json.loads(call(house, "imports", "--json").stdout) == []
    done = json.loads(call(house, *words, "--rejected", str(rejected)).stdout)
    assert {**dry, "import": done["import"], "dry_run": False} == done
    assert (done["address_column"], done["ignored_columns"]) == ("email", ["name"])
    assert done["status_columns"] == [
        {"name": "Unsubscribed", "kind": "opt-out", "words": {"no": 2, "yes": 1}}
    ]
    assert rejected.read_text().splitlines() == [
        "line,address,result,reason",
        "3,bob@example.org,unsubscribed,Unsubscribed: yes",
        "4,bad,bad,An email address must have an @-sign.",
        "5,ADA@example.org,repeated,the same address as line 2",
    ]


def test_an_import_is_listed_and_can_be_undone(house: AppContext, tmp_path: Path) -> None:
    path = tmp_path / "readers.csv"
    path.write_text("email\nada@example.org\nbob@example.org\n")
    said = call(house, "import", str(path), "--confirmed", "--source", "why").stdout
    assert "undo-import 1" in said
    assert "2 of 2 rows added" in call(house, "imports").stdout
    assert "2 removed" in call(house, "undo-import", "1", "--yes").stdout
    assert json.loads(call(house, "imports", "--json").stdout)[0]["status"] == "undone"
    assert json.loads(call(house, "list", "--json").stdout)["reachable"] == 0
    assert "already been undone" in str(call(house, "undo-import", "1", "--yes").exception)


def test_a_file_without_a_valid_row_fails(house: AppContext, tmp_path: Path) -> None:
    path = tmp_path / "readers.csv"
    path.write_text("email\nada\nbob\n")
    refused = call(house, "import", str(path), "--json")
    assert json.loads(refused.stdout)["bad"] == 2
    assert "no row has a valid address" in str(refused.exception)


def test_an_unclear_column_is_named_with_the_option_that_settles_it(
    house: AppContext, tmp_path: Path
) -> None:
    path = tmp_path / "readers.csv"
    path.write_text("email,Status\nada@example.org,VIP\n")
    refused = str(call(house, "import", str(path)).exception)
    assert "the column “Status” says “VIP”" in refused
    assert "--status-column" in refused

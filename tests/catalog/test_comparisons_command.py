"""`digest comparisons` does what its help says."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select
from tests.catalog.pages import draft, unparse

from digest.catalog.importing import import_comparisons
from digest.catalog.models import ComparisonVersion
from digest.catalog.sample import sample_pages
from digest.catalog.text_page import parse_page
from digest.cli.comparisons import group
from digest.db import Database, utcnow
from digest.errors import BadInput, NotFound


def run(db: Database, *words: str) -> Result:
    context = SimpleNamespace(services=lambda: SimpleNamespace(db=db))
    return CliRunner().invoke(group, words, obj=context)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text(unparse(draft()), encoding="utf-8")
    return path


def test_import_then_list_then_show(sqlite: Database, page: Path) -> None:
    first = run(sqlite, "import", str(page), "--published", "2026-10-01")
    assert (first.exit_code, first.stdout) == (
        0,
        "new        larkspur-vs-harrow-34b\n1 new, 0 changed, 0 unchanged\n",
    )
    listed = json.loads(run(sqlite, "list", "--json").stdout)
    assert [one["slug"] for one in listed] == ["larkspur-vs-harrow-34b"]
    assert set(listed[0]) == {"slug", "version", "published_at", "source", "left", "right", "quotes"}
    assert listed[0]["published_at"] == "2026-10-01T00:00:00+00:00"
    assert listed[0]["quotes"][1] == {"side": "right", "reviewer": 1, "text": "Reviewer 1 on the right."}
    assert listed[0]["left"]["community_ship"] is None
    assert (
        run(sqlite, "list").stdout == "2026-10-01\tlarkspur-vs-harrow-34b\tLarkspur\t75%\tHarrow 34B\t75%\n"
    )
    assert json.loads(run(sqlite, "show", "larkspur-vs-harrow-34b", "--json").stdout) == listed[0]
    shown = run(sqlite, "show", "larkspur-vs-harrow-34b").stdout
    assert "Community ship: no votes yet" in shown
    assert "Reviewer 2: Reviewer 2 on the right." in shown


def test_listed_comparisons_can_be_imported_again(sqlite: Database, page: Path, tmp_path: Path) -> None:
    run(sqlite, "import", str(page))
    kept = tmp_path / "all.json"
    kept.write_text(run(sqlite, "list", "--json").stdout, encoding="utf-8")
    report = json.loads(run(sqlite, "import", str(kept), "--json").stdout)
    assert (report["new"], report["changed"], report["unchanged"], report["refused"]) == (0, 0, 1, [])


def test_a_bad_file_gives_exit_code_1_and_the_others_are_imported(sqlite: Database, page: Path) -> None:
    bad = page.with_name("bad.txt")
    bad.write_text("nonsense", encoding="utf-8")
    result = run(sqlite, "import", str(page.parent))
    assert isinstance(result.exception, BadInput)
    assert str(result.exception) == (
        f"{bad}:1: this is not a comparison page; expected “AI tool comparison”, found “nonsense”"
    )
    assert result.stdout.startswith("new ")
    worse = run(sqlite, "import", "--json", str(bad), str(bad) + "x")
    assert "2 files were not imported" in str(worse.exception)
    assert len(json.loads(worse.stdout)["refused"]) == 2


@pytest.mark.parametrize(
    "words", [["import"], ["import", "x", "--published", "soon"], ["list", "--limit", "0"], ["show"]]
)
def test_bad_usage_is_exit_code_2(sqlite: Database, words: list[str]) -> None:
    assert run(sqlite, *words).exit_code == 2


def test_an_empty_path_is_not_the_current_folder(
    sqlite: Database, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(page.parent)
    refused = run(sqlite, "import", "")
    assert refused.exit_code == 2
    assert "the path is empty" in refused.stderr
    assert run(sqlite, "list", "--json").stdout == "[]\n"
    assert run(sqlite, "import", ".").exit_code == 0


def test_a_file_with_nothing_new_is_reported_as_such(sqlite: Database, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]")
    assert run(sqlite, "import", str(tmp_path)).stdout == "0 new, 0 changed, 0 unchanged\n"


def test_an_unknown_comparison_is_not_found(sqlite: Database) -> None:
    assert isinstance(run(sqlite, "show", "nope").exception, NotFound)


def test_an_empty_catalog_lists_nothing(sqlite: Database) -> None:
    assert run(sqlite, "list", "--json").stdout == "[]\n"
    assert run(sqlite, "list").stdout == ""


def test_more_files_than_one_transaction_takes_are_all_imported(sqlite: Database, tmp_path: Path) -> None:
    for one in range(203):
        (tmp_path / f"{one}.txt").write_text(unparse(draft(f"Tool {one}")), encoding="utf-8")
    report = json.loads(run(sqlite, "import", str(tmp_path), "--json").stdout)
    assert (report["new"], len(report["comparisons"])) == (203, 203)
    assert len(run(sqlite, "list", "--limit", "7").stdout.splitlines()) == 7
    assert len(run(sqlite, "list", "--search", "Tool 17").stdout.splitlines()) > 0


def test_the_sample_pages_are_comparisons_over_several_weeks(sqlite: Database) -> None:
    drafts = [parse_page(text, name) for name, text, _ in sample_pages()]
    assert len(drafts) == 12
    assert max(days for *_, days in sample_pages()) > 28
    assert all(3 * 2 <= len(one.quotes) <= 5 * 2 for one in drafts)
    sides = [one for each in drafts for one in (each.left, each.right)]
    assert {one.panel_ship for one in sides} == {0, 25, 50, 75, 100}
    assert None in {one.community_ship for one in sides}
    with sqlite.begin() as session:
        import_comparisons(session, drafts, utcnow())
        assert len(session.scalars(select(ComparisonVersion)).all()) == 12

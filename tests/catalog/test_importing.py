"""An import recognises known comparisons, stores a change as a new version, and overwrites nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import event, func, select
from tests.catalog.pages import draft, side, unparse

from digest.catalog import files, importing, queries, tool_history
from digest.catalog.comparison_input import ComparisonInput
from digest.catalog.importing import ImportResult, import_comparisons
from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.db import Database

NOW = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
SEEDS = Path(__file__).parents[3] / "shared" / "seeds"


def counts(db: Database) -> list[int]:
    with db.read() as session:
        tables = (Tool, Review, Comparison, ComparisonVersion, Quote)
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def take(db: Database, *paths: Path, now: datetime = NOW, published: datetime | None = None) -> ImportResult:
    found = files.find_files(paths)
    inputs, refused = importing.read_files(found.files)
    with db.begin() as session:
        imported = import_comparisons(session, inputs, now, published)
    return ImportResult(tuple(imported), found.refused + refused)


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "pages"
    (home / "deeper").mkdir(parents=True)
    (home / "a.txt").write_text(unparse(draft("Larkspur", "Harrow")), encoding="utf-8")
    (home / "b.json").write_text(f"[{draft('Kettle', 'Portage').model_dump_json()}]", encoding="utf-8")
    (home / "deeper" / "c.txt").write_text(unparse(draft("Larkspur", "Kettle")), encoding="utf-8")
    (home / ".hidden.txt").write_text("not a page", encoding="utf-8")
    (home / "notes.md").write_text("not a page", encoding="utf-8")
    return home


def test_importing_a_folder_twice_adds_nothing(db: Database, folder: Path) -> None:
    first = take(db, folder)
    assert [(one.source, one.slug, one.change, one.version) for one in first.imported] == [
        ("a.txt", "larkspur-vs-harrow", "new", 1),
        ("b.json", "kettle-vs-portage", "new", 1),
        ("c.txt", "larkspur-vs-kettle", "new", 1),
    ]
    before = counts(db)
    assert before == [4, 4, 3, 3, 12]
    again = take(db, folder, folder / "a.txt", now=LATER)
    assert [one.change for one in again.imported] == ["unchanged"] * 3
    assert counts(db) == before


def test_a_changed_page_adds_a_version_and_keeps_the_old_one(db: Database) -> None:
    with db.begin() as session:
        import_comparisons(session, [draft()], NOW)
    corrected = draft(left=side("Larkspur", panel_ship=25))
    with db.begin() as session:
        assert [(one.change, one.version) for one in import_comparisons(session, [corrected], LATER)] == [
            ("changed", 2)
        ]
    with db.read() as session:
        view = queries.get_by_slug(session, "larkspur-vs-harrow-34b")
        assert (view.version, view.left.panel_ship, view.published_at, view.added_at) == (2, 25, LATER, NOW)
        ids = session.scalars(select(ComparisonVersion.id).order_by(ComparisonVersion.number)).all()
        assert [
            one.left.panel_ship for one in map(queries.fetch_by_version(session, ids).__getitem__, ids)
        ] == [
            75,
            25,
        ]


def test_an_old_page_and_its_correction_can_lie_in_one_folder(db: Database) -> None:
    both = [draft(), draft(left=side("Larkspur", panel_ship=25))]
    for changes in (["new", "changed"], ["unchanged", "unchanged"]):
        with db.begin() as session:
            assert [one.change for one in import_comparisons(session, both, NOW)] == changes


def test_the_same_tool_with_other_figures_has_another_review(db: Database) -> None:
    with db.begin() as session:
        import_comparisons(
            session, [draft(left=side("SmolLM3", panel_ship=100)), draft("SmolLM3", "Kettle")], NOW
        )
    with db.read() as session:
        past = tool_history.list_tool_reviews(session, "smollm3")
    assert {(one.review.panel_ship, one.comparisons) for one in past} == {
        (100, (("smollm3-vs-harrow-34b", "SmolLM3 vs Harrow 34B"),)),
        (75, (("smollm3-vs-kettle", "SmolLM3 vs Kettle"),)),
    }


def test_a_bad_file_is_reported_and_the_others_are_imported(db: Database, folder: Path) -> None:
    (folder / "aa.txt").write_text("nonsense", encoding="utf-8")
    (folder / "ab.txt").write_bytes(b"AI tool comparison\n\xff\xfe")
    (folder / "ac.txt").write_text("x" * 1_000_001, encoding="utf-8")
    (folder / "ad.json").write_text('{"left": 1}', encoding="utf-8")
    (folder / "empty.txt").touch()
    result = take(db, folder, folder / "missing.txt", Path("/dev/null"))
    assert len(result.imported) == 3
    report = "\n".join(result.refused)
    assert len(result.refused) == len(report.split("\n")) == 7
    for says in (
        "aa.txt:1: this is not a comp",
        "ab.txt:2: not UTF-8",
        "ac.txt: larger than 1 MB",
        "ad.json: $.",
    ):
        assert says in report
    for says in (
        "empty.txt:1: the file is empty",
        "missing.txt: there is no such file",
        "/dev/null: is neither",
    ):
        assert says in report


def test_an_empty_folder_is_reported(db: Database, tmp_path: Path) -> None:
    assert "no comparisons in this folder" in take(db, tmp_path).refused[0]


def test_a_file_with_any_name_can_be_imported_and_reported(db: Database, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"pa\nge \xff.txt")
    odd.write_text(unparse(draft()), encoding="utf-8")
    assert [one.source for one in take(db, odd).imported] == ["pa ge \ufffd.txt"]


def test_a_date_is_the_drafts_own_then_the_one_given_then_now(db: Database) -> None:
    own, given = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC)
    with db.begin() as session:
        import_comparisons(session, [draft("A", "B", published_at="2026-01-01"), draft("A", "C")], NOW, given)
        import_comparisons(session, [draft("A", "D")], NOW)
    with db.read() as session:
        assert [(view.slug, view.published_at) for view in queries.list_newest(session)] == [
            ("a-vs-d", NOW),
            ("a-vs-c", given),
            ("a-vs-b", own),
        ]


def test_hostile_text_is_stored_unchanged(db: Database) -> None:
    hostile = "{{ name }} <script>alert(1)</script> 👩‍👩‍👧 سلام नमस्ते ' \" \\ %s --"
    with db.begin() as session:
        import_comparisons(session, [draft(left=side("Larkspur", description=hostile, tagline=hostile))], NOW)
    with db.read() as session:
        left = queries.list_newest(session)[0].left
    assert left.description == left.tagline == hostile


def test_two_imports_at_once_add_each_thing_once(db: Database) -> None:
    drafts = [draft(f"Tool {one}", f"Tool {one + 1}") for one in range(40)]
    start, results = Barrier(4), []

    def run(mine: list[object]) -> None:
        start.wait()
        with db.begin() as session:
            results.extend(import_comparisons(session, mine, NOW))  # type: ignore[arg-type]

    threads = [Thread(target=run, args=(drafts[::step],)) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(db) == [41, 41, 40, 40, 160]
    assert sorted(one.change for one in results) == ["new"] * 40 + ["unchanged"] * 120


def test_two_corrections_at_once_are_two_versions(db: Database) -> None:
    with db.begin() as session:
        import_comparisons(session, [draft()], NOW)
    start = Barrier(2)

    def run(panel: int) -> None:
        start.wait()
        with db.begin() as session:
            import_comparisons(session, [draft(left=side("Larkspur", panel_ship=panel))], NOW)

    threads = [Thread(target=run, args=(panel,)) for panel in (0, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as session:
        assert sorted(session.scalars(select(ComparisonVersion.number))) == [1, 2, 3]


def test_an_import_takes_few_statements_for_any_number_of_files(db: Database) -> None:
    def spent(drafts: int, name: str) -> int:
        with statements(db) as seen, db.begin() as session:
            import_comparisons(session, [draft(f"{name} {one}", "Harrow") for one in range(drafts)], NOW)
        return len(seen)

    assert spent(200, "Many") <= spent(2, "Few") + 8  # wide inserts are split


def test_storing_nothing_does_nothing(db: Database) -> None:
    with db.begin() as session:
        assert import_comparisons(session, [], NOW) == []


@pytest.mark.skipif(
    not SEEDS.is_dir(), reason="the real pages lie beside the checkout on the build machine only"
)
def test_the_real_pages_are_five_comparisons_of_six_tools(db: Database) -> None:
    assert [one.change for one in take(db, SEEDS).imported] == ["new"] * 5
    with db.read() as session:
        assert sorted(
            one.review.panel_ship for one in tool_history.list_tool_reviews(session, "smollm3")
        ) == [75, 100]
        assert len(tool_history.list_tool_reviews(session, "smolvlm-3b")) == 1
    assert counts(db) == [6, 7, 5, 5, 40]


def test_an_import_may_exceed_the_values_of_one_statement(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 3)
    with db.begin() as session:
        import_comparisons(session, [draft(f"Tool {one}", "Harrow") for one in range(10)], NOW)
    assert counts(db)[2] == 10


def stated(panel: int, day: str) -> ComparisonInput:
    return draft(side("Larkspur", panel_ship=panel), published_at=day)


def test_a_comparison_can_return_to_an_earlier_text_and_reimporting_changes_nothing(
    db: Database,
) -> None:
    course = [stated(75, "2026-01-01"), stated(50, "2026-02-01"), stated(75, "2026-03-01")]
    with db.begin() as session:
        for one, change in zip(course, ("new", "changed", "changed"), strict=True):
            assert importing.import_comparisons(session, [one], NOW)[0].change == change
        assert queries.list_newest(session)[0].left.panel_ship == 75
        again = importing.import_comparisons(session, [*course, *reversed(course)], NOW)
        assert {one.change for one in again} == {"unchanged"}


def test_an_older_page_imported_late_replaces_nothing(db: Database) -> None:
    with db.begin() as session:
        importing.import_comparisons(session, [stated(50, "2026-02-01"), stated(75, "2026-01-01")], NOW)
        assert queries.list_newest(session)[0].left.panel_ship == 50
        assert queries.count_comparisons(session) == 1
        importing.import_comparisons(session, [stated(60, "2026-02-01")], NOW)
        assert queries.list_newest(session)[0].left.panel_ship == 60

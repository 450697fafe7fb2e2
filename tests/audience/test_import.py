"""Bringing an audience in from a file."""

import contextlib
import csv
import io
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.audience.import_files import WHY, Write, import_path
from tests.audience.subscribers import (
    DAY,
    HOUR,
    NOW,
    create_publication,
    create_reader,
    is_suppressed,
    press_confirm,
    reachable_ids,
    sign_up,
    subscriber_id_of,
)

from digest.audience import (
    erase,
    export,
    suppression,
    unsubscribe,
)
from digest.audience.importing import chunks, imports, rows
from digest.audience.importing.reading import csv_reader
from digest.audience.importing.reading.statuses import ImportStatus
from digest.audience.models import ConsentEvent, Subscriber, Subscription, Wording
from digest.db import Database
from digest.errors import BadInput
from digest.signing import Signer


def addresses(path: Path) -> list[str]:
    return [row.address for chunk in rows.open_file(path).chunks() for row in chunk.rows.values()]


def test_valid_rows_are_imported_and_invalid_ones_reported_by_line(
    db: Database, signer: Signer, file: Write
) -> None:
    path = file(
        "email,name\nada@example.org,Ada\nnot an address,Bob\n\nx@example.org\n,nobody\ncleo@example.org,C\n"
    )
    with db.begin() as session:
        of = create_publication(session)
        done = import_path(session, signer, of, path)
        assert (done.added, done.bad) == (3, 2)
        assert [(bad.line, bad.text) for bad in done.rejected] == [(3, "not an address"), (6, "")]
        assert len(reachable_ids(session, of)) == 3


def test_an_endless_row_is_one_invalid_row_and_is_never_held_in_memory(file: Write) -> None:
    path = file("email\nada@example.org\n" + "a@b," * 5_000_000 + "\r\nbob@example.org\n")
    tracemalloc.start()
    (chunk,) = rows.open_file(path).chunks()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row.line for row in chunk.rows.values()] == [2, 4]
    assert [(bad.line, bad.reason) for bad in chunk.bad] == [(3, "the row is longer than 100,000 characters")]
    assert peak < 8 * csv_reader.BLOCK  # the row alone has twenty million


def test_any_file_name_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"r\xff\n.csv")
    path.write_text("ada@example.org\n")
    assert rows.open_file(path).evidence("cli", WHY).encode().startswith(b"Imported from r??.csv (SHA-256 ")


def test_importing_the_same_file_twice_changes_nothing(db: Database, signer: Signer, file: Write) -> None:
    path = file("".join(f"r{n}@example.org\n" for n in range(10)) + "R3@Example.org\n")
    with db.begin() as session:
        of = create_publication(session)
        first = import_path(session, signer, of, path)
        again = import_path(session, signer, of, path)
        assert (first.added, first.known + first.repeated) == (10, 1)
        assert (again.added, again.known + again.repeated) == (0, 11)
        assert session.scalar(select(func.count()).select_from(ConsentEvent)) == 10
        assert session.scalar(select(func.count()).select_from(Subscriber)) == 10


def test_an_interrupted_import_continues_where_it_stopped(db: Database, signer: Signer, file: Write) -> None:
    path = file("".join(f"r{n}@example.org\n" for n in range(10)))
    with db.begin() as session:
        of = create_publication(session)
        opened = rows.open_file(path)
        terms = imports.begin(session, opened, publication_id=of.id, source=WHY, confirmed=True, now=NOW)
        chunks.import_chunk(session, signer, next(opened.chunks(4)), terms)
    with db.begin() as session:
        done = import_path(session, signer, of, path, size=4)
        assert (done.added, done.known) == (6, 4)


def test_file_name_hash_and_source_are_kept_as_proof_of_consent(
    db: Database, signer: Signer, file: Write
) -> None:
    path = file("email\nada@example.org\n")
    with db.begin() as session:
        of = create_publication(session)
        import_path(session, signer, of, path)
        words = session.scalars(select(Wording.text)).one()
        assert csv_reader.inspect_file(path).sha256 in words
        assert WHY in words
        assert session.scalars(select(Subscription.source)).one() == WHY
        assert session.scalars(select(ConsentEvent.kind)).one() == "imported"


def test_unconfirmed_rows_become_pending_and_get_no_email(db: Database, signer: Signer, file: Write) -> None:
    path = file("email\nada@example.org\nbob@example.org\n")
    with db.begin() as session:
        of = create_publication(session)
        assert import_path(session, signer, of, path, confirmed=False).invited == []
        assert reachable_ids(session, of) == set()
        invited = import_path(session, signer, of, path, confirmed=False, invite=True, hours=2).invited
        assert len(invited) == 2
        assert import_path(session, signer, of, path, confirmed=False, invite=True, hours=3).invited == []
        press_confirm(session, of, invited[0], NOW + 4 * HOUR)
        assert reachable_ids(session, of) == {invited[0]}


def test_an_import_never_resubscribes_those_who_unsubscribed_complained_bounced_or_were_erased(
    db: Database, signer: Signer, file: Write
) -> None:
    people = ["unsubscribed", "complained", "bounced", "erased", "unknown"]
    with db.begin() as session:
        of = create_publication(session)
        ids = {who: create_reader(session, signer, of, f"{who}@example.org") for who in people[:4]}
        unsubscribe.unsubscribe(session, of.id, ids["unsubscribed"], source="page", now=NOW)
        suppression.suppress(session, signer, "complained@example.org", "complaint", NOW)
        suppression.suppress(session, signer, "bounced@example.org", "bounce", NOW)
        suppression.suppress(session, signer, "unknown@example.org", "request", NOW)
        erase.erase(session, signer, "erased@example.org", NOW)
        done = import_path(
            session, signer, of, file("email\n" + "".join(f"{who}@example.org\n" for who in people))
        )
        assert (done.added, done.unsubscribed, done.suppressed) == (0, 1, 4)
        assert reachable_ids(session, of, NOW + DAY) == set()
        assert subscriber_id_of(session, "erased@example.org") is None
        assert subscriber_id_of(session, "unknown@example.org") is None


def test_a_returning_reader_stays_pending_until_they_confirm_whatever_is_imported(
    db: Database, signer: Signer, file: Write
) -> None:
    with db.begin() as session:
        of = create_publication(session)
        subscriber_id = create_reader(session, signer, of, "ada@example.org")
        unsubscribe.unsubscribe(session, of.id, subscriber_id, source="page", now=NOW)
        sign_up(session, signer, of, "ada@example.org", NOW + HOUR)
        import_path(session, signer, of, file("ada@example.org\n"), hours=2)
        assert reachable_ids(session, of, NOW + DAY) == set()


def test_unknown_words_in_the_chosen_status_column_mean_not_subscribed(
    db: Database, signer: Signer, file: Write
) -> None:
    rows = {
        "a": "Subscribed", "b": "unsubscribed", "c": "cleaned", "d": "Marked as spam", "e": "VIP", "f": "",
        "g": "pending", "h": "ACTIVE",
    }  # fmt: skip
    path = file("E-Mail;Status\n" + "".join(f"{who}@example.org;{word}\n" for who, word in rows.items()))
    with db.begin() as session:
        of = create_publication(session)
        done = import_path(session, signer, of, path, status="Status")
        assert (done.added, done.unsubscribed, done.suppressed, done.not_subscribed) == (2, 1, 2, 3)
        here = {subscriber_id_of(session, "a@example.org"), subscriber_id_of(session, "h@example.org")}
        assert reachable_ids(session, of) == here
        assert is_suppressed(session, signer, "d@example.org")
        assert subscriber_id_of(session, "d@example.org") is None
        assert import_path(session, signer, of, path, hours=2, status="Status").added == 0


def test_a_file_can_unsubscribe_imported_readers_but_not_those_who_confirmed_here(
    db: Database, signer: Signer, file: Write
) -> None:
    with db.begin() as session:
        of = create_publication(session)
        own = create_reader(session, signer, of, "own@example.org")
        import_path(session, signer, of, file("brought@example.org\n"))
        done = import_path(
            session, signer, of, file("email,status\nown@example.org,left\nbrought@example.org,left\n")
        )
        assert (done.kept, done.unsubscribed) == (1, 1)
        assert reachable_ids(session, of) == {own}


def test_of_two_rows_for_one_address_the_opt_out_wins(db: Database, signer: Signer, file: Write) -> None:
    for text in ("a@example.org,active\na@example.org,left\n", "a@example.org,left\na@example.org,active\n"):
        with db.begin() as session:
            of = create_publication(session, f"p{hash(text) % 1000}")
            for size in (1, 5):
                import_path(session, signer, of, file("email,status\n" + text), size=size)
                assert reachable_ids(session, of) == set()


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "mac_roman"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_spreadsheet_encoding_separator_and_line_ending_is_read(
    file: Write, encoding: str, separator: str, end: str
) -> None:
    rows = [
        ("Name", "E-Mail"),
        ("Zoë; or, Z.", "zoe@example.org"),
        ("B\tö", "bo@example.org"),
        ("", "c@example.org"),
    ]
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=end).writerows(rows)
    assert addresses(file(out.getvalue().encode(encoding))) == [
        "zoe@example.org",
        "bo@example.org",
        "c@example.org",
    ]


def test_a_line_that_declares_the_separator_is_not_a_row(file: Write) -> None:
    assert addresses(file("sep=;\r\nemail;name\r\na@example.org;A, B, C\r\n")) == ["a@example.org"]
    assert addresses(file('\ufeff"sep=;"\r\na@example.org;A\r\n')) == ["a@example.org"]


def test_an_unclosed_quote_costs_one_row(file: Write) -> None:
    good = "".join(f"r{n}@example.org,x\n" for n in range(200))
    (chunk,) = rows.open_file(file('email,note\na@example.org,"open\n' + good)).chunks()
    assert [(bad.line, "never closed" in bad.reason) for bad in chunk.bad] == [(2, True)]
    assert len(chunk.rows) == 200


def test_quoted_newlines_ragged_rows_and_stray_quotes_are_read(file: Write) -> None:
    text = 'email,note\na@example.org,"two\nlines, ""quoted"""\nb@example.org\nc@example.org,5" pipe,more,cells\n"d@example.org"x,y\n'
    (chunk,) = rows.open_file(file(text)).chunks()
    assert [(row.line, row.address) for row in chunk.rows.values()] == [
        (2, "a@example.org"), (4, "b@example.org"), (5, "c@example.org"),
    ]  # fmt: skip
    assert [bad.line for bad in chunk.bad] == [6]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a@example.org\nb@example.org\n", 2),
        ("Ada,a@example.org\nBob,b@example.org\n", 2),
        ("id,Email Address,email\n1,a@example.org,\n", 1),
        ("address,email\n1 Street,a@example.org\n", 1),
        ("Email,Email\na@example.org,b@example.org\n", 1),
        ("wer,wo\nx,a@example.org\n", 1),
        ("email\nAda <a@example.org>\n", 1),
        ("email\n'=a@example.org\n", 1),
    ],
)
def test_the_address_column_is_detected(file: Write, text: str, found: int) -> None:
    assert len(addresses(file(text))) == found


@pytest.mark.parametrize("content", ["", "\n\n", "name,age\nAda,3\n", b"\xff\xfe", "email\n"])
def test_a_file_without_addresses_is_refused_in_one_line(file: Write, content: str | bytes) -> None:
    path = file(content)
    if content == "email\n":
        assert addresses(path) == []
        return
    with pytest.raises(BadInput, match=r"readers\.csv") as caught:
        rows.open_file(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.csv"):
        rows.open_file(tmp_path / "none.csv")


def test_an_opt_out_is_recognized_without_a_header(file: Write) -> None:
    (chunk,) = rows.open_file(file("a@example.org,unsubscribed\nb@example.org,subscribed\n")).chunks()
    assert [row.status for row in chunk.rows.values()] == [ImportStatus.UNSUBSCRIBED, ImportStatus.SUBSCRIBED]


def test_a_date_in_an_unsubscribe_column_means_unsubscribed(file: Write) -> None:
    path = file("email,unsubscribed_at\na@example.org,2026-01-01\nb@example.org,\nc@example.org,NULL\n")
    (chunk,) = rows.open_file(path).chunks()
    assert [row.status for row in chunk.rows.values()] == [
        ImportStatus.UNSUBSCRIBED,
        ImportStatus.SUBSCRIBED,
        ImportStatus.SUBSCRIBED,
    ]


def test_columns_can_be_named_by_the_operator(file: Write) -> None:
    path = file("login,other,status\nx@example.org,a@example.org,vip\n")
    (chunk,) = rows.open_file(path, address="Other", status="none").chunks()
    assert [(row.address, row.status) for row in chunk.rows.values()] == [
        ("a@example.org", ImportStatus.UNSTATED)
    ]
    with pytest.raises(BadInput, match="nothing"):
        rows.open_file(path, address="nothing")


def test_importing_an_export_changes_nothing_and_no_cell_is_a_formula(
    db: Database, signer: Signer, tmp_path: Path
) -> None:
    wild = [
        "=1+1@example.org",
        "-a@example.org",
        "+b@example.org",
        "'=c@example.org",
        "'d@example.org",
        "e@example.org",
    ]
    with db.begin() as session:
        of, other = create_publication(session), create_publication(session, "other")
        for address in wild:
            create_reader(session, signer, of, address)
        left = create_reader(session, signer, of, "left@example.org")
        unsubscribe.unsubscribe(session, of.id, left, source="page", now=NOW)
        suppression.suppress(session, signer, "e@example.org", "bounce", NOW)
        lines = export.fetch_page(session, of.id, NOW)
        text = export.csv_line(export.COLUMNS) + "".join(export.csv_lines(lines))
        cells = [row[0] for row in csv.reader(io.StringIO(text))]
        assert not [cell for cell in cells if cell[0] in "=+-@\t\r"]
        path = tmp_path / "out.csv"
        path.write_text(text, newline="")
        assert addresses(path) == [line.address for line in lines]
        import_path(session, signer, other, path)
        assert reachable_ids(session, other) == reachable_ids(session, of)


def test_an_export_is_paged_and_filtered_by_status(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        ids = [create_reader(session, signer, of, f"r{n}@example.org") for n in range(5)]
        unsubscribe.unsubscribe(session, of.id, ids[2], source="page", now=NOW)
        first = export.fetch_page(session, of.id, NOW, limit=3)
        rest = export.fetch_page(session, of.id, NOW, above=first[-1].subscriber_id, limit=3)
        assert [line.subscriber_id for line in first + rest] == ids
        assert [
            line.subscriber_id for line in export.fetch_page(session, of.id, NOW, status="unsubscribed")
        ] == [ids[2]]
        assert len(export.fetch_page(session, of.id, NOW, status="active")) == 4


def test_a_personal_export_contains_everything_about_the_person(db: Database, signer: Signer) -> None:
    with db.begin() as session:
        of = create_publication(session)
        create_reader(session, signer, of, "ada@example.org")
        held = export.export_subscriber(session, "ADA@example.org")
    assert held["address"] == "ada@example.org"
    assert [event["event"] for event in held["consent"]] == ["requested", "confirmed"]
    assert held["subscriptions"][0]["status"] == "active"


def test_a_personal_export_has_every_column_of_a_subscription(sqlite: Database, signer: Signer) -> None:
    with sqlite.begin() as session:
        create_reader(session, signer, create_publication(session), "ada@example.org")
        (held,) = export.export_subscriber(session, "ada@example.org")["subscriptions"]
    columns = {column.name.removesuffix("_id") for column in Subscription.__table__.columns}
    assert columns - {"subscriber", "import", "confirmation_count"} == set(held) - {"topics"}


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04" + bytes(range(256)) * 40, b"\x89PNG\r\n\x1a\n" + bytes(400)]
)
def test_a_binary_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "readers.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="this is not a text file; save it as CSV"):
        rows.open_file(path)


wild_text = st.text(st.sampled_from("ab@.,;\t\"\r\n'=é \ufeff<>0"), max_size=120)


@given(st.one_of(wild_text.map(str.encode), st.binary(max_size=200)))
@settings(max_examples=300, deadline=None)
def test_no_file_breaks_the_csv_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(content)
    with contextlib.suppress(BadInput):
        for chunk in rows.open_file(path).chunks(2):
            assert chunk.read == len(chunk.rows) + len(chunk.bad) + len(chunk.repeated)
            for row in chunk.rows.values():
                assert "\n" not in row.address
                assert row.address.count("@") == 1


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=15)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8), st.sampled_from(",;\t"))
@settings(max_examples=200, deadline=None)
def test_csv_from_a_standard_writer_is_read_back_unchanged(
    rows: list[tuple[str, str]], separator: str
) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    lines = io.StringIO(out.getvalue(), newline="").readlines()
    if csv_reader._declared_separator(lines[0]):
        return
    back = [tuple(record.cells) for record in csv_reader.records(lines, separator)]
    assert back == rows

"""An import asks where a column may say who is subscribed, and only there."""

import contextlib
import csv
import io
from collections.abc import Iterator

import pytest
from tests.audience.import_files import Write
from tests.audience.import_unclear import CLEAR_WORDS, OTHER_SUBJECTS, UNCLEAR_COLUMNS
from tests.audience.test_import_matrix import cells

from digest.audience.importing import rows
from digest.audience.importing.reading.statuses import ImportStatus
from digest.audience.importing.reading.survey import UnclearColumns

NO_HEADER = "(no header)"
REPEATED = 5  # times each word, as in a real column


def table(name: str, words: list[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    if name != NO_HEADER:
        writer.writerow(("email", name, "name"))
    writer.writerows((f"r{n}@example.org", word, f"Ada {n}") for n, word in enumerate(words * REPEATED))
    return out.getvalue()


def readers(found: rows.SubscriberFile) -> list[bool]:
    """Whether each row is a reader of a list whose source is known."""
    return [row.status <= ImportStatus.SUBSCRIBED for chunk in found.chunks() for row in chunk.rows.values()]


def lines(text: str) -> Iterator[list[str]]:
    for line in text.strip().splitlines():
        name, *parts = line.split(" | ") if not line.endswith("|") else [*line[:-1].split(" | "), ""]
        yield [name.strip(), *parts]


def test_what_may_say_who_is_subscribed_is_asked_about(file: Write) -> None:
    silent = []
    for name, words in lines(UNCLEAR_COLUMNS):
        path = file(table(name, cells(words)))
        with contextlib.suppress(UnclearColumns):
            rows.open_file(path)
            silent.append(f"{name}: {words}")
        assert rows.open_file(path, status="none")
    assert silent == []


def test_clear_words_are_understood_without_asking(file: Write) -> None:
    wrong = []
    for name, outs, ins in lines(CLEAR_WORDS):
        said = [(word, False) for word in cells(outs)] + [(word, True) for word in cells(ins)]
        found = readers(rows.open_file(file(table(name, [word for word, _ in said]))))
        wrong += [
            f"{name}: {word}"
            for (word, is_reader), was in zip(said * REPEATED, found, strict=True)
            if was != is_reader
        ]
    assert wrong == []


def test_a_yes_or_no_about_something_else_is_not_asked_about(file: Write) -> None:
    for name, words in lines(OTHER_SUBJECTS):
        assert all(readers(rows.open_file(file(table(name, cells(words)))))), name


@pytest.mark.parametrize("other", ["email,status", "email,Unsubscribed"])
def test_unknown_names_are_not_asked_about_where_another_column_tells(file: Write, other: str) -> None:
    said = "active" if other.endswith("status") else "no"
    path = file(f"{other},flag,notify\na@example.org,{said},yes,\nb@example.org,{said},no,\n")
    assert readers(rows.open_file(path)) == [True, True]
    path = file(f"{other},notify\na@example.org,{said},yes\nb@example.org,{said},no\n")
    with pytest.raises(UnclearColumns, match="notify"):
        rows.open_file(path)

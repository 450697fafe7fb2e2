"""Who unsubscribed elsewhere is never imported as a reader, and who subscribed is never lost, whatever the tool."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from tests.audience.import_matrix import HARMLESS_COLUMNS, OPT_OUT_COLUMNS, TOOL_FILES
from tests.audience.subscribers import create_publication

from digest.cli import AppContext, main
from digest.db import Database
from digest.signing import Signer

Import = Callable[..., dict[str, object]]


@pytest.fixture
def context(sqlite: Database, signer: Signer) -> AppContext:
    with sqlite.begin() as session:
        create_publication(session)
    return AppContext(services=lambda: SimpleNamespace(db=sqlite, signer=signer, enqueue_soon=lambda _: None))


def run(context: AppContext, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["subscribers", *words], obj=context)
    return done.exit_code, done.stdout, done.stderr


def reachable(context: AppContext) -> set[str]:
    _, out, _ = run(context, "export")
    return {row["address"] for row in csv.DictReader(io.StringIO(out)) if row["status"] == "active"}


def check_files(
    context: AppContext, folder: Path, files: Iterator[tuple[str, str, str, dict[str, bool]]]
) -> int:
    """Import files of (label, file name, text, address: whether it is a reader), and compare all of them at once."""
    wanted, labels, refused = {}, {}, []
    for label, name, text, addresses in files:
        (path := folder / name).write_text(text, encoding="utf-8", newline="")
        code, _, err = run(context, "import", str(path), "--confirmed", "--source", "double opt-in", "--json")
        if code:
            refused.append(f"{label}: {err.strip()}")
        wanted |= addresses
        labels |= dict.fromkeys(addresses, label)
    found = reachable(context)
    wrong = [
        f"{labels[address]}: {address} {'is lost' if is_reader else 'would be mailed'}"
        for address, is_reader in wanted.items()
        if (address in found) != is_reader
    ]
    assert not refused + wrong, "\n".join(refused + wrong)
    return len(labels)


def cells(text: str) -> list[str]:
    return [cell.strip() for cell in re.split(r" /(?= |$)", text)] if text.strip() != "/" else [""]


def column_files() -> Iterator[tuple[str, str, str, dict[str, bool]]]:
    table = [*OPT_OUT_COLUMNS.splitlines(), *(f"{line} " for line in HARMLESS_COLUMNS.splitlines())]
    for number, line in enumerate(table):
        column, *rest = line.split("|")
        outs, ins = rest if len(rest) == 2 else ("", rest[0])
        rows = [(cell, False) for cell in (cells(outs) if outs else [])] + [
            (cell, True) for cell in cells(ins)
        ]
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(("email", column.strip(), "name"))
        addresses = {}
        for place, (cell, is_reader) in enumerate(rows):
            address = f"c{number}.{place}@example.org"
            writer.writerow((address, cell, f"Reader {place}"))
            addresses[address] = is_reader
        yield f"{column.strip()} in {[cell for cell, _ in rows]}", "readers.csv", out.getvalue(), addresses


def _text(cells: str) -> str:
    return cells.replace("\\n", "\n").replace("#", "|")


def tool_files() -> Iterator[tuple[str, str, str, dict[str, bool]]]:
    for number, line in enumerate(TOOL_FILES.strip().splitlines()):
        label, name, header, rows = (part.strip() for part in line.split("|", 3))
        addresses, lines = {}, [_text(header)] if header else []
        for place, row in enumerate(rows.split(" ; ")):
            address = f"t{number}.{place}@example.org"
            addresses[address] = row.strip()[0] == "+"
            lines.append(_text(row.strip()[1:]).replace("@", address))
        yield label, name, "\n".join(lines) + "\n", addresses


def test_every_opt_out_column_is_recognized_and_no_harmless_column_is_mistaken_for_one(
    context: AppContext, tmp_path: Path
) -> None:
    assert check_files(context, tmp_path, column_files()) > 500


def test_the_exports_of_other_tools_are_recognized_by_their_columns(
    context: AppContext, tmp_path: Path
) -> None:
    assert check_files(context, tmp_path, tool_files()) > 50

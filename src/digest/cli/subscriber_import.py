"""`digest subscribers import`: imports a file in chunks, with progress on a terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from digest.db import utcnow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.audience.bulk_import import ImportTerms
    from digest.audience.csv_file import RowChunk
    from digest.audience.import_rules import ImportResult
    from digest.services import Services


def import_file(
    services: "Services",
    file: Path,
    slug: str | None,
    consent: tuple[str, bool, bool],
    column_names: tuple[str | None, str | None],
) -> "ImportResult":
    """Import a file in chunks, each in its own transaction.

    `consent` is (source, confirmed, invite); `column_names` the address and status columns, None to detect them.
    """
    from digest.audience import csv_file, import_rules
    from digest.audience.bulk_import import ImportTerms
    from digest.cli.audit import record
    from digest.publications.publications import find

    source, confirmed, invite = consent
    with services.db.read() as session:
        publication_id = find(session, slug).id
    sheet, chunks = csv_file.read_chunks(file, address=column_names[0], status=column_names[1])
    evidence = csv_file.evidence(sheet, "the operator", source)
    terms = ImportTerms(publication_id, utcnow(), source, evidence, confirmed, invite)
    total = import_rules.ImportResult()
    for chunk in _with_progress(chunks, sheet.lines):
        with services.db.begin() as session:
            done = import_rules.import_chunk(session, services.signer, chunk, terms)
            _invite(session, done.invited, terms)
        total.add(done)
    with services.db.begin() as session:
        record(session, "import", "subscriber", None, f"{total.added:,} new, {total.known:,} known")
    if total.invited:
        services.enqueue_soon("letters")
    return total


def _invite(session: "Session", subscriber_ids: list[int], terms: "ImportTerms") -> None:
    if not subscriber_ids:
        return
    from digest.delivery.letters import delivery

    for subscriber_id in subscriber_ids:
        delivery.enqueue_letter(
            session,
            "confirm",
            now=terms.now,
            publication_id=terms.publication_id,
            subscriber_id=subscriber_id,
            facts={"imported_from": terms.source},
        )


def _with_progress(chunks: Iterator["RowChunk"], lines: int) -> Iterator["RowChunk"]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Importing", total=lines or None)
        for chunk in chunks:
            yield chunk
            progress.advance(bar, chunk.read)

"""Importing a file in chunks, with progress on a terminal, and undoing an import."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digest.db import utcnow
from digest.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from digest.audience.importing.report import FileReport
    from digest.audience.importing.results import ImportResult
    from digest.audience.importing.rows import RowChunk, SubscriberFile
    from digest.audience.importing.store import ImportTerms
    from digest.audience.importing.undo import UndoResult
    from digest.services import Services

UNCLEAR_HINT = (
    'Use --status-column "NAME" for the column that says who is subscribed: rows with other words are then '
    "not imported as subscribed. Use --status-column none if no column does"
)


@dataclass(frozen=True)
class ImportOptions:
    """What the operator asked for."""

    slug: str | None
    source: str
    confirmed: bool
    invite: bool
    address_column: str | None
    status_column: str | None
    dry_run: bool = False
    rejected: Path | None = None
    tag_topics: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportOutcome:
    """How the file was read, and the result."""

    report: "FileReport"
    result: "ImportResult"
    import_id: int | None  # None after a dry run


def import_file(services: "Services", path: Path, options: ImportOptions) -> ImportOutcome:
    """Import a file in chunks, each in its own transaction; with `dry_run`, only say what that would do."""
    from digest.audience.importing.report import describe
    from digest.audience.importing.results import ImportResult

    file = _open(path, options)
    total = ImportResult()
    import_chunk, terms = (
        _dry_run(services, file, options) if options.dry_run else _import(services, file, options)
    )
    with _rejected_rows(options.rejected) as write:
        for chunk in _with_progress(file.chunks(), file.sheet.lines):
            done = import_chunk(chunk)
            write(done)
            total.add(done)
    if not options.dry_run:
        _finish(services, terms, total)
    return ImportOutcome(describe(file), total, None if options.dry_run else terms.import_id)


def _open(path: Path, options: ImportOptions) -> "SubscriberFile":
    from digest.audience.importing import rows
    from digest.audience.importing.reading import survey

    try:
        return rows.open_file(path, address=options.address_column, status=options.status_column)
    except survey.UnclearColumns as error:
        raise BadInput(f"{path}: {error}. {UNCLEAR_HINT}") from None


def _begin(session: "Session", file: "SubscriberFile", options: ImportOptions) -> "ImportTerms":
    from digest.audience.importing import imports
    from digest.publications.publications import find

    return imports.begin(
        session,
        file,
        publication_id=find(session, options.slug).id,
        source=options.source,
        confirmed=options.confirmed,
        invite=options.invite,
        now=utcnow(),
        tag_topics=_tag_topics(session, options),
    )


def _tag_topics(session: "Session", options: ImportOptions) -> dict[str, str]:
    from digest.audience.importing.tag_topics import parse_mapping
    from digest.catalog import topics

    return parse_mapping(options.tag_topics, topics.list_topics(session))


def _import(
    services: "Services", file: "SubscriberFile", options: ImportOptions
) -> "tuple[Callable[[RowChunk], ImportResult], ImportTerms]":
    from digest.access.audit_verbs import Verb
    from digest.audience.importing import chunks, imports
    from digest.cli.audit import record
    from digest.delivery.letters import subscriber_imports

    with services.db.begin() as session:
        terms = _begin(session, file, options)
        record(session, Verb.START_IMPORT, "subscriber", None, f"import {terms.import_id}")

    def import_chunk(chunk: "RowChunk") -> "ImportResult":
        with services.db.begin() as session:
            imports.check_not_undone(session, terms.import_id)
            done = chunks.import_chunk(session, services.signer, chunk, terms)
            subscriber_imports.send_invitations(session, done.invited, terms)
        return done

    return import_chunk, terms


def _dry_run(
    services: "Services", file: "SubscriberFile", options: ImportOptions
) -> "tuple[Callable[[RowChunk], ImportResult], ImportTerms]":
    from digest.audience.importing import imports
    from digest.audience.importing.dry_run import DryRun
    from digest.publications.publications import find

    with services.db.read() as session:
        terms = imports.hypothetical_terms(
            session,
            file,
            publication_id=find(session, options.slug).id,
            confirmed=options.confirmed,
            invite=options.invite,
            now=utcnow(),
            tag_topics=_tag_topics(session, options),
        )
    run = DryRun(services.signer, terms)

    def plan(chunk: "RowChunk") -> "ImportResult":
        with services.db.read() as session:
            return run.plan(session, chunk)

    return plan, terms


def _finish(services: "Services", terms: "ImportTerms", total: "ImportResult") -> None:
    from digest.access.audit_verbs import Verb
    from digest.audience.importing import imports
    from digest.cli.audit import record

    with services.db.begin() as session:
        imports.finish(session, terms, total, utcnow())
        details = f"import {terms.import_id}: {total.added:,} new, {total.known:,} known"
        record(session, Verb.IMPORT, "subscriber", None, details)
    if total.invited:
        services.enqueue_soon("letters")


@contextmanager
def _rejected_rows(path: Path | None) -> Iterator[Any]:
    """A function that appends a chunk's rejected rows to the file, or does nothing without one."""
    if path is None:
        yield lambda _: None
        return
    from digest.audience.export import csv_line

    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from None
    with file:
        file.write(csv_line(("line", "address", "result", "reason")))
        yield lambda done: file.writelines(
            csv_line((row.line, row.text, row.result.replace("_", " "), row.reason)) for row in done.rejected
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


def undo_import(services: "Services", slug: str | None, import_id: int) -> "UndoResult":
    """Undo an import. An interrupted undo can simply be repeated."""
    from digest.access.audit_verbs import Verb
    from digest.audience.importing import undo
    from digest.cli.audit import record
    from digest.delivery.ledger.subject_access import mailed_subscriber_ids
    from digest.publications.publications import find

    now, is_done = utcnow(), False
    with services.db.begin() as session:
        undo.begin(session, services.signer, find(session, slug).id, import_id, now)
        record(session, Verb.UNDO_IMPORT, "subscriber", None, f"import {import_id}")
    while not is_done:
        with services.db.begin() as session:
            is_done = undo.undo_block(
                session, services.signer, import_id, mailed=mailed_subscriber_ids(), now=now
            )
    with services.db.read() as session:
        return undo.result(session, import_id)

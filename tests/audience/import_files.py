"""Importing a file in the tests of the import rule."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import Session
from tests.audience.subscribers import HOUR, NOW

from digest.audience.importing import chunks, imports, rows, undo
from digest.audience.importing.results import ImportResult
from digest.delivery.ledger.subject_access import mailed_subscriber_ids
from digest.publications.models import Publication
from digest.signing import Signer

WHY = "double opt-in at our old tool"
Write = Callable[[str | bytes], Path]


def import_path(
    session: Session,
    signer: Signer,
    publication: Publication,
    path: Path,
    *,
    confirmed: bool = True,
    invite: bool = False,
    size: int = 3,
    hours: int = 1,
    status: str | None = None,
) -> ImportResult:
    opened = rows.open_file(path, status=status)
    terms = imports.begin(
        session,
        opened,
        publication_id=publication.id,
        source=WHY,
        confirmed=confirmed,
        invite=invite,
        now=NOW + hours * HOUR,
    )
    total = ImportResult()
    for chunk in opened.chunks(size):
        total.add(chunks.import_chunk(session, signer, chunk, terms))
    imports.finish(session, terms, total, NOW + hours * HOUR)
    assert total.rows == sum(total.counts().values()) - total.rows
    return total


def last_import(session: Session, publication: Publication) -> int:
    return imports.list_imports(session, publication.id)[0].id


def undo_import(
    session: Session, signer: Signer, publication: Publication, import_id: int, hours: int = 9
) -> undo.UndoResult:
    now = NOW + hours * HOUR
    undo.begin(session, signer, publication.id, import_id, now)
    while not undo.undo_block(session, signer, import_id, mailed=mailed_subscriber_ids(), now=now):
        pass
    return undo.result(session, import_id)

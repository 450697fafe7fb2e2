"""The rows that record imports: begun, finished, listed."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.audience.importing.report import speaks_of
from digest.audience.importing.results import ImportResult
from digest.audience.importing.rows import SubscriberFile
from digest.audience.importing.store import ImportTerms
from digest.audience.models import SubscriberImport
from digest.errors import NotFound

AT_ONCE = 100


def begin(
    session: Session,
    file: SubscriberFile,
    *,
    publication_id: int,
    source: str,
    confirmed: bool,
    now: datetime,
    invite: bool = False,
    by: str = "the operator",
    user_id: int | None = None,
) -> ImportTerms:
    """Record that an import begins, and return its terms. One that was interrupted is continued under its number."""
    earlier = _imports_of(session, file, publication_id)
    row = next((each for each in earlier if _is_interrupted(each, source, confirmed)), None)
    if row is None:
        row = SubscriberImport(
            publication_id=publication_id,
            file_name=file.name[:255],
            sha256=file.sheet.sha256,
            source=source,
            confirmed=confirmed,
            user_id=user_id,
            started_at=now,
            counts="{}",
        )
        session.add(row)
        session.flush()
    return ImportTerms(
        publication_id=publication_id,
        import_id=row.id,
        now=now,
        source=source,
        evidence=file.evidence(by, source),
        confirmed=confirmed,
        invite=invite,
        same_file=frozenset(each.id for each in earlier) | {row.id},
        speaks_of=speaks_of(file.layout),
    )


def hypothetical_terms(
    session: Session,
    file: SubscriberFile,
    *,
    publication_id: int,
    confirmed: bool,
    invite: bool,
    now: datetime,
) -> ImportTerms:
    """Return the terms that an import would have, for a dry run."""
    return ImportTerms(
        publication_id=publication_id,
        import_id=0,
        now=now,
        source="",
        evidence="",
        confirmed=confirmed,
        invite=invite,
        same_file=frozenset(each.id for each in _imports_of(session, file, publication_id)) | {0},
        speaks_of=speaks_of(file.layout),
    )


def _imports_of(session: Session, file: SubscriberFile, publication_id: int) -> Sequence[SubscriberImport]:
    """Return the earlier imports of this very file, newest first."""
    return session.scalars(
        select(SubscriberImport)
        .where(
            SubscriberImport.publication_id == publication_id, SubscriberImport.sha256 == file.sheet.sha256
        )
        .order_by(SubscriberImport.id.desc())
    ).all()


def _is_interrupted(row: SubscriberImport, source: str, confirmed: bool) -> bool:
    is_open = row.finished_at is None and row.undone_at is None
    return is_open and (row.source, row.confirmed) == (source, confirmed)


def finish(session: Session, terms: ImportTerms, result: ImportResult, now: datetime) -> None:
    """Record that an import is complete, with its counts."""
    session.execute(
        update(SubscriberImport)
        .where(SubscriberImport.id == terms.import_id)
        .values(finished_at=now, counts=json.dumps(result.counts()))
    )


def list_imports(session: Session, publication_id: int) -> Sequence[SubscriberImport]:
    """Return the last hundred imports, newest first."""
    return session.scalars(
        select(SubscriberImport)
        .where(SubscriberImport.publication_id == publication_id)
        .order_by(SubscriberImport.id.desc())
        .limit(AT_ONCE)
    ).all()


def get(session: Session, publication_id: int, import_id: int) -> SubscriberImport:
    """Return one import. Raises NotFound."""
    found = session.get(SubscriberImport, import_id)
    if found is None or found.publication_id != publication_id:
        raise NotFound(f"there is no import {import_id}")
    return found


def counts(row: SubscriberImport) -> dict[str, Any]:
    """Return the number of rows by result; empty until the import is finished."""
    found: dict[str, Any] = json.loads(row.counts)
    return found

"""The rows that record imports: begun, finished, listed."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.audience.importing.report import speaks_of
from digest.audience.importing.results import ImportResult
from digest.audience.importing.rows import SubscriberFile
from digest.audience.importing.store import ImportTerms
from digest.audience.models import SubscriberImport
from digest.errors import NotAllowed, NotFound

AT_ONCE = 100


def create(
    session: Session,
    *,
    publication_id: int,
    file_name: str,
    sha256: str,
    source: str,
    confirmed: bool,
    user_id: int | None,
    now: datetime,
) -> SubscriberImport:
    """Add the row of an import that begins, and return it with its id."""
    row = SubscriberImport(
        publication_id=publication_id,
        file_name=file_name[:255],
        sha256=sha256,
        source=source,
        confirmed=confirmed,
        user_id=user_id,
        started_at=now,
        counts="{}",
    )
    session.add(row)
    session.flush()
    return row


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
    tag_topics: Mapping[str, str] | None = None,
) -> ImportTerms:
    """Record that an import begins, and return its terms. One that was interrupted is continued under its number."""
    earlier = _imports_of(session, file, publication_id)
    row = next((each for each in earlier if _is_interrupted(each, source, confirmed)), None)
    if row is None:
        row = create(
            session,
            publication_id=publication_id,
            file_name=file.name,
            sha256=file.sheet.sha256,
            source=source,
            confirmed=confirmed,
            user_id=user_id,
            now=now,
        )
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
        tag_topics=tag_topics or {},
    )


def hypothetical_terms(
    session: Session,
    file: SubscriberFile,
    *,
    publication_id: int,
    confirmed: bool,
    invite: bool,
    now: datetime,
    tag_topics: Mapping[str, str],
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
        tag_topics=tag_topics,
    )


def _imports_of(session: Session, file: SubscriberFile, publication_id: int) -> Sequence[SubscriberImport]:
    """Return the earlier imports of this very file that stand, newest first."""
    return session.scalars(
        select(SubscriberImport)
        .where(
            SubscriberImport.publication_id == publication_id,
            SubscriberImport.sha256 == file.sheet.sha256,
            SubscriberImport.undone_at.is_(None),
        )
        .order_by(SubscriberImport.id.desc())
    ).all()


def _is_interrupted(row: SubscriberImport, source: str, confirmed: bool) -> bool:
    return row.finished_at is None and (row.source, row.confirmed) == (source, confirmed)


def check_not_undone(session: Session, import_id: int) -> None:
    """Raise NotAllowed when somebody undid this import while it is running."""
    undone = select(SubscriberImport.undone_at).where(SubscriberImport.id == import_id)
    if session.scalar(undone) is not None:
        raise NotAllowed(f"import {import_id} was undone while it was running")


def finish(session: Session, terms: ImportTerms, result: ImportResult, now: datetime) -> None:
    """Record that an import is complete, with its counts."""
    check_not_undone(session, terms.import_id)
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
    return parse_counts(row.counts)


def parse_counts(text: str) -> dict[str, Any]:
    """Return counts as they are stored."""
    found: dict[str, Any] = json.loads(text)
    return found


def status(row: SubscriberImport) -> str:
    """Return where an import stands: complete, not complete, being undone or undone."""
    if row.undone_at is not None:
        return "undone" if "undone" in counts(row) else "being undone"
    return "complete" if row.finished_at else "not complete"

"""Adding one reader by hand, by the rule of imports: who unsubscribed or complained here stays out."""

import hashlib
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from digest.audience.address import normalize
from digest.audience.importing import chunks, imports
from digest.audience.importing.reading.statuses import ImportStatus
from digest.audience.importing.results import ImportResult
from digest.audience.importing.rows import RowChunk, ValidRow
from digest.audience.importing.store import ImportTerms
from digest.signing import Signer

NAME: Final = "(added by hand)"  # in the list of imports, in place of a file


def add_reader(
    session: Session,
    signer: Signer,
    address: str,
    *,
    publication_id: int,
    source: str,
    confirmed: bool,
    user_id: int,
    now: datetime,
) -> tuple[ImportResult, ImportTerms]:
    """Add a reader as active, or as pending and to be sent a confirmation letter. Raises BadInput for no address.

    The result says whether they were added, known, unsubscribed or suppressed.
    """
    found = normalize(address)
    row = imports.create(
        session,
        publication_id=publication_id,
        file_name=NAME,
        sha256=hashlib.sha256(f"{now.isoformat()} {user_id}".encode()).hexdigest(),
        source=source,
        confirmed=confirmed,
        user_id=user_id,
        now=now,
    )
    terms = ImportTerms(
        publication_id=publication_id,
        import_id=row.id,
        now=now,
        source=source,
        evidence=f"Added at the desk by user {user_id}: {source}",
        confirmed=confirmed,
        invite=not confirmed,
    )
    chunk = RowChunk(1, {found.key: ValidRow(1, found.address, found.key, ImportStatus.UNSTATED)})
    result = chunks.import_chunk(session, signer, chunk, terms)
    if result.added:
        imports.finish(session, terms, result, now)
    else:
        session.delete(row)
    return result, terms

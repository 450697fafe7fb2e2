"""Files uploaded at the desk: kept until somebody has looked at the preview, then imported in steps."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, defer

from digest.audience.importing import chunks, imports
from digest.audience.importing.results import ImportResult
from digest.audience.importing.rows import SubscriberFile, open_file
from digest.audience.importing.store import ImportTerms
from digest.audience.models import SubscriberUpload
from digest.db import WITHOUT_SYNC
from digest.errors import NotFound
from digest.signing import Signer

KEPT_FOR: Final = timedelta(days=1)  # a file that nobody imports
WITHOUT_FILE: Final = (defer(SubscriberUpload.data), defer(SubscriberUpload.preview))

Invite = Callable[[Session, list[int], ImportTerms], None]


def get(session: Session, publication_id: int, number: int) -> SubscriberUpload:
    """Return an upload, without its file until that is used. Raises NotFound."""
    found = session.get(SubscriberUpload, number, options=WITHOUT_FILE)
    if found is None or found.publication_id != publication_id:
        raise NotFound("this upload was imported or discarded; upload the file again")
    return found


@contextmanager
def opened(upload: SubscriberUpload) -> Iterator[SubscriberFile]:
    """Open an upload's file. Raises BadInput like `open_file`, NotFound when the file was deleted."""
    if upload.data is None:
        raise NotFound("this file has been imported; upload it again")
    with tempfile.TemporaryDirectory(prefix="digest-import-") as folder:
        path = Path(folder) / "upload"
        path.write_bytes(upload.data)
        yield open_file(
            path, address=upload.address_column, status=upload.status_column, name=upload.file_name
        )


def list_due(session: Session) -> Sequence[int]:
    """Return the uploads that somebody has confirmed and that are not imported completely."""
    return session.scalars(
        select(SubscriberUpload.id)
        .where(SubscriberUpload.queued_at.is_not(None), SubscriberUpload.finished_at.is_(None))
        .order_by(SubscriberUpload.id)
    ).all()


class UploadImport:
    """Imports one upload, a chunk per step; each step is one transaction, and another process may take over."""

    def __init__(
        self, signer: Signer, upload: SubscriberUpload, file: SubscriberFile, invite: Invite
    ) -> None:
        self._signer, self._file, self._invite = signer, file, invite
        self._upload_id, self._done = upload.id, upload.rows_done
        self._chunks = file.chunks()
        skipped = 0
        while skipped < self._done:
            skipped += next(self._chunks).read
        self._terms: ImportTerms | None = None

    def step(self, session: Session, now: datetime, tag_topics: Mapping[str, str]) -> bool:
        """Import the next chunk; True when the file is complete, or another process has taken over."""
        upload = session.get_one(
            SubscriberUpload, self._upload_id, options=WITHOUT_FILE, with_for_update=True
        )
        if upload.rows_done != self._done or upload.finished_at is not None:
            return True
        terms = self._terms = self._terms or self._begin(session, upload, now, tag_topics)
        imports.check_not_undone(session, terms.import_id)
        chunk = next(self._chunks, None)
        total = ImportResult(**json.loads(upload.counts))
        if chunk is None:
            imports.finish(session, terms, total, now)
            finish(upload, now)
            return True
        done = chunks.import_chunk(session, self._signer, chunk, terms)
        self._invite(session, done.invited, terms)
        total.add(done)
        self._done += chunk.read
        upload.rows_done, upload.counts = self._done, json.dumps(total.counts())
        return False

    def _begin(
        self, session: Session, upload: SubscriberUpload, now: datetime, tag_topics: Mapping[str, str]
    ) -> ImportTerms:
        terms = imports.begin(
            session,
            self._file,
            publication_id=upload.publication_id,
            source=upload.source,
            confirmed=upload.confirmed,
            invite=upload.invite,
            now=now,
            by=f"user {upload.user_id}",
            user_id=upload.user_id,
            tag_topics=tag_topics,
        )
        upload.import_id, upload.rows_total = terms.import_id, max(self._file.sheet.lines, 1)
        return terms


def finish(upload: SubscriberUpload, now: datetime, problem: str | None = None) -> None:
    """Record that an upload is complete, or what stopped it; the file is deleted."""
    upload.finished_at, upload.problem, upload.data, upload.preview = now, problem, None, None


def discard(session: Session, upload: SubscriberUpload) -> bool:
    """Delete an upload; False, doing nothing, when it is being imported."""
    deleted = session.scalars(
        delete(SubscriberUpload)
        .where(SubscriberUpload.id == upload.id, SubscriberUpload.queued_at.is_(None))
        .returning(SubscriberUpload.id),
        execution_options=WITHOUT_SYNC,
    ).all()
    return bool(deleted)


def queue(session: Session, upload: SubscriberUpload, now: datetime) -> bool:
    """Have an upload imported; False when it already is."""
    queued = session.scalars(
        update(SubscriberUpload)
        .where(SubscriberUpload.id == upload.id, SubscriberUpload.queued_at.is_(None))
        .values(queued_at=now)
        .returning(SubscriberUpload.id),
        execution_options=WITHOUT_SYNC,
    ).all()
    return bool(queued)


def delete_old(session: Session, now: datetime) -> None:
    """Delete uploads that nobody imported within a day, and the rows of finished ones. Run daily."""
    is_waiting = SubscriberUpload.queued_at.is_(None) | SubscriberUpload.finished_at.is_not(None)
    session.execute(
        delete(SubscriberUpload).where(is_waiting, SubscriberUpload.created_at < now - KEPT_FOR),
        execution_options=WITHOUT_SYNC,
    )

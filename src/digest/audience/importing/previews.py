"""The preview of an uploaded file: made when the file or a choice changes, and stored beside the file."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from digest.audience.importing import imports, uploads
from digest.audience.importing.dry_run import DryRun
from digest.audience.importing.reading.survey import UnclearColumns
from digest.audience.importing.report import describe
from digest.audience.importing.results import ImportResult
from digest.audience.importing.rows import RowChunk, SubscriberFile, ValidRow
from digest.audience.models import SubscriberUpload
from digest.db import WITHOUT_SYNC
from digest.errors import BadInput
from digest.signing import Signer

PREVIEW_ROWS: Final = 50_000
SAMPLE_ROWS: Final = 5
SHOWN_REJECTED: Final = 50
SHOWN_TAGS: Final = 30


@dataclass(frozen=True)
class Preview:
    """What importing an upload would do, as plain values that are stored as JSON; or why it cannot be imported."""

    problem: str = ""
    unclear: dict[str, list[str]] | None = None  # columns that look like statuses, with their words
    report: dict[str, Any] = field(default_factory=dict)  # a FileReport
    counts: dict[str, int] = field(default_factory=dict)  # rows by result
    usable: int = 0  # rows with a valid address
    topics: dict[str, int] = field(default_factory=dict)  # readers by topic
    tags: dict[str, int] = field(default_factory=dict)  # readers by tag, the most frequent
    first_rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    is_partial: bool = False  # only the first PREVIEW_ROWS rows were looked at
    columns: list[str] = field(default_factory=list)  # by name, to choose the status column from

    @property
    def added(self) -> int:
        """How many readers the import would bring."""
        return self.counts["added"] + self.counts["revised"]

    def to_json(self) -> str:
        """Return it as it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, stored: str) -> "Preview":
        """Return a stored preview."""
        return cls(**json.loads(stored))


def dry_run(
    session: Session,
    signer: Signer,
    upload: SubscriberUpload,
    file: SubscriberFile,
    now: datetime,
    *,
    tag_topics: Mapping[str, str],
) -> Iterator[tuple[RowChunk, ImportResult]]:
    """Yield what importing each chunk of the file would do."""
    terms = imports.hypothetical_terms(
        session,
        file,
        publication_id=upload.publication_id,
        confirmed=upload.confirmed,
        invite=upload.invite,
        now=now,
        tag_topics=tag_topics,
    )
    run = DryRun(signer, terms)
    for chunk in file.chunks():
        yield chunk, run.plan(session, chunk)


def build_preview(
    session: Session,
    signer: Signer,
    upload: SubscriberUpload,
    now: datetime,
    *,
    tag_topics: Mapping[str, str],
) -> Preview:
    """Say what importing an upload would do, from its first PREVIEW_ROWS rows."""
    try:
        with uploads.opened(upload) as file:
            return _preview(file, dry_run(session, signer, upload, file, now, tag_topics=tag_topics))
    except UnclearColumns as error:
        return Preview(problem=str(error), unclear=error.words, columns=error.columns)
    except BadInput as error:
        return Preview(problem=str(error))


def _preview(file: SubscriberFile, steps: Iterator[tuple[RowChunk, ImportResult]]) -> Preview:
    total, first_rows, tags, is_partial = ImportResult(), list[ValidRow](), Counter[str](), False
    for chunk, done in steps:
        total.add(done)
        first_rows += islice(chunk.rows.values(), SAMPLE_ROWS - len(first_rows))
        for row in chunk.rows.values():
            tags.update(row.original.tags if row.original else ())
        if total.rows >= PREVIEW_ROWS:
            is_partial = True
            break
    return Preview(
        report=asdict(describe(file)),
        counts=total.counts(),
        usable=total.usable,
        topics=dict(total.topics),
        tags=dict(tags.most_common(SHOWN_TAGS)),
        first_rows=[{"address": row.address, "line": row.line, "because": row.because} for row in first_rows],
        rejected=[asdict(row) for row in total.rejected[:SHOWN_REJECTED]],
        is_partial=is_partial,
        columns=list(dict.fromkeys(column.name for column in file.layout.columns if column.name)),
    )


def store(session: Session, upload: SubscriberUpload, preview: Preview) -> None:
    """Keep the preview of an upload, unless somebody has chosen something else for it meanwhile."""
    is_same = [
        getattr(SubscriberUpload, name).is_not_distinct_from(getattr(upload, name))
        for name in ("address_column", "status_column", "tag_topics", "queued_at")
    ]
    session.execute(
        update(SubscriberUpload)
        .where(SubscriberUpload.id == upload.id, *is_same)
        .values(preview=preview.to_json()),
        execution_options=WITHOUT_SYNC,
    )

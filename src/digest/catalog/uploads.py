"""Comparisons uploaded at the desk: first a preview of what they would change, then all of them or none."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from digest.catalog import files, importing
from digest.catalog.comparison import comparison_title
from digest.catalog.comparison_input import ComparisonInput, from_json
from digest.catalog.models import Upload
from digest.errors import BadInput, NotFound

UPLOAD_RETENTION: Final = timedelta(days=1)
MAX_COMPARISONS: Final = 2000


@dataclass(frozen=True)
class UploadedFile:
    """An uploaded file or pasted text: its name and its bytes."""

    name: str
    data: bytes
    json: bool


@dataclass(frozen=True)
class PlannedImport:
    """What would be imported for one comparison."""

    source: str
    slug: str
    left: str
    right: str
    change: str  # an importing.ChangeKind
    version: int

    @property
    def title(self) -> str:
        """The comparison's name."""
        return comparison_title(self.left, self.right)


@dataclass(frozen=True)
class PendingUpload:
    """An upload that waits to be confirmed."""

    id: int
    planned: tuple[PlannedImport, ...]
    refused: tuple[str, ...]  # an error line for each file that cannot be imported

    def count(self, change: str) -> int:
        """The number of comparisons that would be `change`."""
        return sum(plan.change == change for plan in self.planned)

    @property
    def changed_count(self) -> int:
        """The number of comparisons that would change the catalog."""
        return len(self.planned) - self.count("unchanged")


def parse_files(uploaded: Sequence[UploadedFile]) -> tuple[list[ComparisonInput], list[str]]:
    """The comparisons in the files, and an error line for each file that is refused.

    Raises BadInput when there are more comparisons than one upload may hold.
    """
    inputs: list[ComparisonInput] = []
    refused = []
    for file in uploaded:
        name = files.display_name(file.name)
        try:
            inputs += files.parse_bytes(file.data, name, name, json=file.json)
        except BadInput as error:
            refused.append(str(error))
    if len(inputs) > MAX_COMPARISONS:
        raise BadInput(
            f"{len(inputs):,} comparisons are too many for one upload; send at most {MAX_COMPARISONS:,}, "
            "or import the folder on the command line"
        )
    return inputs, refused


def create_upload(
    session: Session,
    inputs: Sequence[ComparisonInput],
    refused: Sequence[str],
    *,
    user_id: int,
    now: datetime,
) -> int:
    """Store what was read for user `user_id`, with a preview of its import; returns its id. Imports nothing.

    Uploads that nobody confirmed within a day are deleted.
    """
    session.execute(delete(Upload).where(Upload.created_at < now - UPLOAD_RETENTION))
    upload = Upload(
        user_id=user_id, inputs=_dump(inputs), preview=_preview(session, inputs, refused, now), created_at=now
    )
    session.add(upload)
    session.flush()
    return upload.id


def get_upload(session: Session, upload_id: int, user_id: int) -> PendingUpload:
    """The user's upload. Raises NotFound when it is someone else's, was imported or discarded, or has expired."""
    preview = json.loads(_get(session, upload_id, user_id).preview)
    planned = tuple(PlannedImport(**plan) for plan in preview["planned"])
    return PendingUpload(upload_id, planned, tuple(preview["refused"]))


def get_inputs(
    session: Session, upload_id: int, user_id: int, limit: int | None = None
) -> list[ComparisonInput]:
    """The uploaded comparisons, or the first `limit` of them. Raises NotFound as `get_upload`."""
    stored = _get(session, upload_id, user_id).inputs
    return from_json(stored if limit is None else json.dumps(json.loads(stored)[:limit]), "upload")


def import_upload(session: Session, upload_id: int, user_id: int, now: datetime) -> bool:
    """Import all of it as it was previewed. False when the result would differ by now: only the preview is updated.

    Raises NotFound as `get_upload`.
    """
    upload = _get(session, upload_id, user_id)
    inputs, preview = get_inputs(session, upload_id, user_id), json.loads(upload.preview)
    savepoint = session.begin_nested()
    planned = _planned(inputs, importing.import_comparisons(session, inputs, now))
    if planned != preview["planned"]:
        savepoint.rollback()
        upload.preview = json.dumps(preview | {"planned": planned})
        return False
    savepoint.commit()
    session.delete(upload)
    return True


def discard_upload(session: Session, upload_id: int, user_id: int) -> None:
    """Delete the upload. Raises NotFound as `get_upload`."""
    session.delete(_get(session, upload_id, user_id))


def _get(session: Session, upload_id: int, user_id: int) -> Upload:
    upload = session.get(Upload, upload_id)
    if upload is None or upload.user_id != user_id:
        raise NotFound("this upload is gone: it was imported or discarded, or a day has passed")
    return upload


def _preview(
    session: Session, inputs: Sequence[ComparisonInput], refused: Sequence[str], now: datetime
) -> str:
    """The result of a real import, which is rolled back."""
    savepoint = session.begin_nested()
    planned = _planned(inputs, importing.import_comparisons(session, inputs, now))
    savepoint.rollback()
    return json.dumps({"planned": planned, "refused": list(refused)})


def _planned(
    inputs: Sequence[ComparisonInput], results: Sequence[importing.ImportedComparison]
) -> list[dict[str, Any]]:
    return [
        asdict(
            PlannedImport(
                source=result.source,
                slug=result.slug,
                left=comparison.left.tool,
                right=comparison.right.tool,
                change=result.change,
                version=result.version,
            )
        )
        for comparison, result in zip(inputs, results, strict=True)
    ]


def _dump(inputs: Sequence[ComparisonInput]) -> str:
    return json.dumps([comparison.model_dump(mode="json") for comparison in inputs])

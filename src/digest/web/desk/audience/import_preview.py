"""Importing an uploaded file of readers: its preview, the choices about it, and the import with progress."""

import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from flask import Response as Answer
from flask import g, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.audience import export
from digest.audience.importing import imports, previews, tag_topics, uploads
from digest.audience.importing.previews import Preview
from digest.audience.importing.rows import SubscriberFile
from digest.audience.models import SubscriberUpload
from digest.catalog import topics
from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import BadInput, NotAllowed
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.audience import blueprint
from digest.web.desk.auth import requires_role
from digest.web.desk.view_helpers import (
    flash_done,
    form_field,
    redirect_to,
    render_live,
    render_page,
    services,
)

MAX_NAME_CHARS: Final = 120
MAX_SOURCE_CHARS: Final = 500


@blueprint.post("/subscribers/imports")
def upload_subscribers() -> Response:
    """Keep an uploaded file, and go to its preview. Nothing is imported yet."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise BadInput("choose a file first")
    name = PurePath(file.filename.replace("\\", "/")).name[-MAX_NAME_CHARS:] or "readers.csv"
    consent = form_field("consent")
    source = form_field("source")[:MAX_SOURCE_CHARS]
    if consent == "confirmed" and not source:
        raise BadInput("enter where these readers gave consent")
    with services().db.begin() as db:
        upload = SubscriberUpload(
            publication_id=current_publication.get(db).id,
            user_id=g.me.id,
            file_name=name,
            data=file.read(),
            source=source or "import",
            confirmed=consent == "confirmed",
            invite=consent == "invite",
            created_at=utcnow(),
        )
        db.add(upload)
        db.flush()
        record(db, Verb.START_IMPORT, "subscriber", details=f"upload {upload.id}")
        number = upload.id
    _store_preview(number)
    return redirect_to("audience.show_upload", number=number)


@blueprint.get("/subscribers/uploads/<int:number>")
@requires_role(Role.EDITOR)
def show_upload(number: int) -> str:
    """What importing the file would do, or how far the import is."""
    with services().db.read() as db:
        upload = _get_upload(db, number)
        if upload.queued_at is not None:
            counts = imports.parse_counts(upload.counts)
            return render_live(
                "subscriber_upload.html", "subscriber_progress.html", upload=upload, counts=counts
            )
        preview = Preview.from_json(upload.preview) if upload.preview else _build_preview(db, upload)
        offered = topics.list_topics(db)
        return render_page(
            "subscriber_preview.html",
            upload=upload,
            preview=preview,
            offered=offered,
            topic_of=_resolve(upload, offered),
            zone=current_publication.get(db).zone,
        )


@blueprint.post("/subscribers/uploads/<int:number>/columns")
def choose_columns(number: int) -> Response:
    """Say which column holds the addresses and which the statuses, and look at the file again."""
    chosen = {name: form_field(name)[:200] or None for name in ("address_column", "status_column")}
    with services().db.begin() as db:
        upload = _get_waiting(db, number)
        before = {name: getattr(upload, name) for name in chosen}
        upload.preview = None
        if chosen != before:
            upload.address_column, upload.status_column = chosen["address_column"], chosen["status_column"]
            details = f"upload {number}"
            record(db, Verb.CHOOSE_COLUMNS, "subscriber", details=details, before=before, after=chosen)
    _store_preview(number)
    return redirect_to("audience.show_upload", number=number)


@blueprint.post("/subscribers/uploads/<int:number>/topics")
def choose_topics(number: int) -> Response:
    """Say which tags of the file stand for which topics."""
    tags, names = request.form.getlist("tag"), request.form.getlist("topic")
    with services().db.begin() as db:
        upload, offered = _get_waiting(db, number), topics.list_topics(db)
        before = _resolve(upload, offered)
        chosen = json.loads(upload.tag_topics) | dict(zip(tags, names, strict=False))
        after = tag_topics.resolve(chosen, offered)
        if after != before:
            upload.tag_topics, upload.preview = json.dumps(chosen, ensure_ascii=False), None
            details = f"upload {number}"
            record(db, Verb.CHOOSE_TOPICS, "subscriber", details=details, before=before, after=after)
    _store_preview(number)
    return redirect_to("audience.show_upload", number=number)


@blueprint.get("/subscribers/uploads/<int:number>/rejected.csv")
@requires_role(Role.EDITOR)
def rejected_rows(number: int) -> Answer:
    """The rows that would be skipped, each with the reason."""
    with services().db.read() as db:
        upload = _get_upload(db, number)
        with uploads.opened(upload) as file:
            body = "".join(_rejected_lines(db, upload, file))
    headers = Headers()
    headers.set("Content-Disposition", "attachment", filename=f"rejected-{number}.csv")
    return Answer(body, mimetype="text/csv", headers=headers)


@blueprint.post("/subscribers/uploads/<int:number>/import")
def import_upload(number: int) -> Response:
    """Have the file imported; a worker does it in steps."""
    with services().db.begin() as db:
        upload = _get_upload(db, number)
        if uploads.queue(db, upload, utcnow()):
            record(db, Verb.IMPORT, "subscriber", details=f"upload {number}")
    services().enqueue_soon("imports")
    return redirect_to("audience.show_upload", number=number)


@blueprint.post("/subscribers/uploads/<int:number>/discard")
def discard_upload(number: int) -> Response:
    """Delete the file; nothing is imported."""
    with services().db.begin() as db:
        if not uploads.discard(db, _get_upload(db, number)):
            raise NotAllowed("this file is being imported already")
        record(db, Verb.DISCARD_IMPORT, "subscriber", details=f"upload {number}")
    flash_done("File deleted. Nothing was imported.")
    return redirect_to("audience.list_imports")


def _get_upload(db: Session, number: int) -> SubscriberUpload:
    return uploads.get(db, current_publication.get(db).id, number)


def _get_waiting(db: Session, number: int) -> SubscriberUpload:
    """The upload, if its import has not begun. Raises NotAllowed."""
    upload = _get_upload(db, number)
    if upload.queued_at is not None:
        raise NotAllowed("this file is being imported already")
    return upload


def _resolve(upload: SubscriberUpload, offered: list[str]) -> dict[str, str]:
    """The topics by tag with which the worker imports."""
    return tag_topics.resolve(json.loads(upload.tag_topics), offered)


def _build_preview(db: Session, upload: SubscriberUpload) -> Preview:
    mapping = _resolve(upload, topics.list_topics(db))
    return previews.build_preview(db, services().signer, upload, utcnow(), tag_topics=mapping)


def _store_preview(number: int) -> None:
    """Look through the file without a lock, which takes seconds, and store what was found."""
    with services().db.read() as db:
        upload = _get_upload(db, number)
        preview = _build_preview(db, upload) if upload.preview is None else None
        db.expunge(upload)  # what was chosen when the file was read
    if preview is not None:
        with services().db.begin() as db:
            previews.store(db, upload, preview)


def _rejected_lines(db: Session, upload: SubscriberUpload, file: SubscriberFile) -> Iterator[str]:
    mapping = _resolve(upload, topics.list_topics(db))
    yield export.csv_line(("line", "address", "result", "reason"))
    for _, done in previews.dry_run(db, services().signer, upload, file, utcnow(), tag_topics=mapping):
        for row in done.rejected:
            yield export.csv_line((row.line, row.text, row.result.replace("_", " "), row.reason))

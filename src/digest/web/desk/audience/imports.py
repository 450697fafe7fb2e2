"""Importing readers: upload, preview, import with progress; and the list of imports, each of which can be undone."""

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
from digest.audience.importing import imports, undo, uploads
from digest.audience.importing.reading.survey import UnclearColumns
from digest.audience.importing.rows import SubscriberFile
from digest.audience.importing.tag_topics import parse_mapping
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
    flash_problem,
    form_field,
    redirect_to,
    render_live,
    render_page,
    services,
)

MAX_NAME_CHARS: Final = 120
MAX_SOURCE_CHARS: Final = 500
MAX_REJECTED: Final = 50  # shown on the preview; the CSV has all


@blueprint.get("/subscribers/imports")
@requires_role(Role.EDITOR)
def list_imports() -> str:
    """The imports so far, and the form for another one."""
    with services().db.read() as db:
        publication = current_publication.get(db)
        rows = imports.list_imports(db, publication.id)
        found = [(row, imports.status(row), imports.counts(row)) for row in rows]
        return render_page("subscriber_imports.html", imports=found, zone=publication.zone)


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
        raise BadInput("say where these readers gave consent, for the record")
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
    return redirect_to("audience.show_upload", number=number)


@blueprint.get("/subscribers/uploads/<int:number>")
@requires_role(Role.EDITOR)
def show_upload(number: int) -> str:
    """What importing the file would do, or how far the import is."""
    with services().db.read() as db:
        upload = _get_upload(db, number)
        zone = current_publication.get(db).zone
        if upload.queued_at is not None:
            counts = imports.parse_counts(upload.counts)
            return render_live(
                "subscriber_upload.html", "subscriber_progress.html", upload=upload, counts=counts
            )
        unclear: dict[str, list[str]] | None = None
        preview, problem = None, ""
        try:
            with uploads.opened(upload) as file:
                preview = uploads.preview(
                    db, services().signer, upload, file, utcnow(), tag_topics=_tag_topics(db)
                )
        except UnclearColumns as error:
            unclear, problem = error.words, str(error)
        except BadInput as error:
            problem = str(error)
        return render_page(
            "subscriber_preview.html",
            upload=upload,
            preview=preview,
            unclear=unclear,
            problem=problem,
            shown=MAX_REJECTED,
            zone=zone,
        )


@blueprint.post("/subscribers/uploads/<int:number>/columns")
def choose_columns(number: int) -> Response:
    """Say which column holds the addresses and which the statuses, and look at the preview again."""
    with services().db.begin() as db:
        upload = _get_upload(db, number)
        if upload.queued_at is not None:
            raise NotAllowed("this file is being imported already")
        chosen = {name: form_field(name)[:200] or None for name in ("address_column", "status_column")}
        before = {name: getattr(upload, name) for name in chosen}
        if chosen != before:
            upload.address_column, upload.status_column = chosen["address_column"], chosen["status_column"]
            details = f"upload {number}"
            record(db, Verb.CHOOSE_COLUMNS, "subscriber", details=details, before=before, after=chosen)
    return redirect_to("audience.show_upload", number=number)


@blueprint.get("/subscribers/uploads/<int:number>/rejected.csv")
@requires_role(Role.EDITOR)
def rejected_rows(number: int) -> Answer:
    """The rows that would bring no reader, each with the reason."""
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


@blueprint.get("/subscribers/imports/<int:number>/undo")
@requires_role(Role.EDITOR)
def confirm_undo(number: int) -> str:
    """Explain what undoing an import means before it is done."""
    with services().db.read() as db:
        publication = current_publication.get(db)
        row = imports.get(db, publication.id, number)
        return render_page("subscriber_undo.html", row=row, counts=imports.counts(row), zone=publication.zone)


@blueprint.post("/subscribers/imports/<int:number>/undo")
def undo_import(number: int) -> Response:
    """Undo an import; a worker does it in steps."""
    with services().db.begin() as db:
        row = imports.get(db, current_publication.get(db).id, number)
        if row.undone_at is not None:
            flash_problem(f"Import {number} has already been undone.")
            return redirect_to("audience.list_imports")
        undo.begin(db, services().signer, row.publication_id, number, utcnow())
        record(db, Verb.UNDO_IMPORT, "subscriber", details=f"import {number}")
    services().enqueue_soon("imports")
    flash_done(f"Import {number} is being undone. Reload this page to see what came of it.")
    return redirect_to("audience.list_imports")


def _tag_topics(db: Session) -> dict[str, str]:
    """The topics by tag with which the worker imports."""
    return parse_mapping((), topics.list_topics(db))


def _get_upload(db: Session, number: int) -> SubscriberUpload:
    return uploads.get(db, current_publication.get(db).id, number)


def _rejected_lines(db: Session, upload: SubscriberUpload, file: SubscriberFile) -> Iterator[str]:
    yield export.csv_line(("line", "address", "result", "reason"))
    for _, done in uploads.dry_run(db, services().signer, upload, file, utcnow(), tag_topics={}):
        for row in done.rejected:
            yield export.csv_line((row.line, row.text, row.result.replace("_", " "), row.reason))

"""Importing comparisons: paste or upload, review, then confirm or discard."""

from collections.abc import Iterator
from itertools import accumulate
from pathlib import PurePath
from typing import Final

from flask import g, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.catalog import import_preview, uploads
from digest.catalog.uploads import UploadedFile
from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import BadInput
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import requires_role
from digest.web.desk.catalog import blueprint
from digest.web.desk.view_helpers import (
    flash_done,
    flash_problem,
    form_field,
    redirect_to,
    render_page,
    services,
)

MAX_FILES: Final = 500
MAX_NAME_CHARS: Final = 120
MAX_ROWS: Final = 100
MAX_DIFF_CHARS: Final = 40_000  # of changed texts shown on one page; later changes are only listed


@blueprint.post("/comparisons")
def start_import() -> Response:
    """Parse the pasted text and the uploaded files, and go to the review. Nothing is imported yet."""
    drafts, refused = uploads.parse_files(list(_submitted_files()))
    if not drafts and not refused:
        raise BadInput("choose files or paste a page first")
    with services().db.begin() as db:
        number = uploads.create_upload(db, drafts, refused, user_id=g.me.id, now=utcnow())
        record(db, Verb.START_IMPORT, "comparison", details=f"{len(drafts)} read, {len(refused)} refused")
    return redirect_to("catalog.review_import", number=number)


@blueprint.get("/comparisons/imports/<int:number>")
@requires_role(Role.EDITOR)
def review_import(number: int) -> str:
    """What the import would change, and a line for each file that cannot be used."""
    with services().db.read() as db:
        upload = uploads.get_upload(db, number, g.me.id)
        first = uploads.get_inputs(db, number, g.me.id, MAX_ROWS)
        previews = import_preview.preview_imports(db, first, upload.planned[:MAX_ROWS], utcnow())
        return render_page(
            "import_review.html",
            upload=upload,
            rows=list(zip(upload.planned, previews, strict=False)),
            rows_in_full=_rows_in_full(previews),
            shown=MAX_ROWS,
            zone=current_publication.get(db).zone,
        )


@blueprint.post("/comparisons/imports/<int:number>")
def confirm_import(number: int) -> Response:
    """Import everything, or nothing if someone else changed the same comparisons since the review."""
    with services().db.begin() as db:
        upload = uploads.get_upload(db, number, g.me.id)
        imported = uploads.import_upload(db, number, g.me.id, utcnow())
        if imported:
            record(db, Verb.IMPORT, "comparison", details=_imported_versions(upload))
    if not imported:
        flash_problem(
            "Someone changed these comparisons in the meantime, so nothing was imported. Review them again."
        )
        return redirect_to("catalog.review_import", number=number)
    flash_done(_summary(upload))
    if len(upload.planned) == 1:
        return redirect_to("catalog.comparison", slug=upload.planned[0].slug)
    return redirect_to("catalog.comparisons")


@blueprint.post("/comparisons/imports/<int:number>/drop")
def discard_import(number: int) -> Response:
    """Discard the import."""
    with services().db.begin() as db:
        uploads.discard_upload(db, number, g.me.id)
        record(db, Verb.DISCARD_IMPORT, "comparison")
    flash_done("Import discarded.")
    return redirect_to("catalog.comparisons")


def _rows_in_full(previews: list[import_preview.ImportPreview]) -> int:
    """How many of the first rows fit with their full diff."""
    sizes = (sum(len(change.old) + len(change.new) for change in preview.changes) for preview in previews)
    return max(1, sum(total <= MAX_DIFF_CHARS for total in accumulate(sizes)))


def _summary(upload: uploads.PendingUpload) -> str:
    new, changed, same = (upload.count(change) for change in ("new", "changed", "unchanged"))
    parts = [
        (new, "new comparison", "new comparisons"),
        (changed, "new version", "new versions"),
        (same, "unchanged", "unchanged"),
    ]
    counts = [f"{count:,} {singular if count == 1 else plural}" for count, singular, plural in parts if count]
    return f"Import finished: {', '.join(counts)}."


def _imported_versions(upload: uploads.PendingUpload) -> str:
    """The new version of each comparison; the audit log cuts off what is too long."""
    changed = [plan for plan in upload.planned if plan.change != "unchanged"]
    steps = (f"{plan.slug}: version {plan.version - 1 or 'none'} → {plan.version}" for plan in changed)
    return f"{len(changed)} changed; {'; '.join(steps)}" if changed else "0 changed"


def _submitted_files() -> Iterator[UploadedFile]:
    if pasted := form_field("page"):
        json = pasted[:1] in "[{"
        yield UploadedFile("pasted.json" if json else "pasted.txt", pasted.encode(), json)
    files = [file for file in request.files.getlist("files") if file.filename]
    if len(files) > MAX_FILES:
        raise RequestEntityTooLarge(
            f"Upload at most {MAX_FILES} files at once, or import the folder on the command line."
        )
    for file in files:
        name = PurePath(str(file.filename).replace("\\", "/")).name[-MAX_NAME_CHARS:] or "page.txt"
        yield UploadedFile(name, file.read(), name.lower().endswith(".json"))

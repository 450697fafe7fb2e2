"""The list of imports, each of which can be undone, and the form for another one."""

from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.audience.importing import imports, undo
from digest.db import utcnow
from digest.editorial.models import Role
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.audience import blueprint
from digest.web.desk.auth import requires_role
from digest.web.desk.view_helpers import flash_done, flash_problem, redirect_to, render_page, services


@blueprint.get("/subscribers/imports")
@requires_role(Role.EDITOR)
def list_imports() -> str:
    """The imports so far, and the form for another one."""
    with services().db.read() as db:
        publication = current_publication.get(db)
        rows = imports.list_imports(db, publication.id)
        found = [(row, imports.status(row), imports.counts(row)) for row in rows]
        return render_page("subscriber_imports.html", imports=found, zone=publication.zone)


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
    flash_done(f"Import {number} is being undone. Reload this page to see the result.")
    return redirect_to("audience.list_imports")

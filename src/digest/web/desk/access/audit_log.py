"""The audit log: recording what users do at the desk, and the page that shows it to owners."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final

from flask import Response, g, request, url_for
from sqlalchemy.orm import Session

from digest.access import audit_log
from digest.db import utcnow
from digest.editorial import users
from digest.editorial.models import Role
from digest.publications import publications
from digest.web.desk.access import blueprint
from digest.web.desk.auth import SAFE_METHODS, requires_role
from digest.web.desk.auth import blueprint as desk
from digest.web.desk.view_helpers import render_page, services
from digest.web.guards import parse_row_number

MERGE_WINDOW: Final = timedelta(minutes=10)  # the same change by the same user is one entry
# What a page is about, by the first segment of its path after /desk/.
KIND_OF: Final = {
    "": "issue",
    "issues": "issue",
    "calendar": "issue",
    "subscribers": "subscriber",
    "comparisons": "comparison",
    "team": "person",
    "account": "person",
}


def record(
    db: Session,
    verb: str,
    kind: str,
    number: int | None = None,
    words: str = "",
    *,
    by: int | None = None,
    publication_id: int | None = None,
) -> None:
    """Record what the current user (or user `by`, who is just signing in) does, in the transaction of the change."""
    publication_id = publication_id or _publication_id(db, kind)
    audit_log.record(
        db,
        audit_log.Actor("desk", by or g.me.id),
        verb,
        kind,
        number,
        now=utcnow(),
        details=words,
        publication_id=publication_id,
    )
    g.is_recorded = True


def is_unlogged(endpoint: str) -> bool:
    """Whether a POST to this endpoint is not logged: a search, a preview, a challenge."""
    return endpoint.removeprefix("desk.") in UNLOGGED


UNLOGGED: Final = {
    "audience.search": "only reads; a POST so that no address appears in a URL",
    "switch_publication": "changes only what this browser shows",
    "drafts.record_presence": "a heartbeat of an open draft",
    "drafts.preview_texts": "renders a preview and stores nothing",
    "drafts.mark_reviewed": "remembers what this user has reviewed",
    "drafts.find_reader": "only reads; a POST so that no address appears in a URL",
    "access.request_link": "the letter has a row of its own",
    "access.passkey_creation_options": "the new passkey is logged",
    "access.passkey_request_options": "the attempt that follows is logged",
    "access.start_oidc": "the sign-in that follows is logged",
    "access.start_app_setup": "the secret counts only after its first code, which is logged",
    "access.request_new_link": "the letter has a row of its own",
}

PREVIEW_ACTIONS: Final = {"look", "preview_texts", "update_summary"}  # buttons that only show something

# How the log names a change, where the endpoint's own name would not read well.
VERBS: Final = {
    "catalog.create_comparison": "add",
    "catalog.start_import": "start import",
    "catalog.update_comparison": "edit",
    "drafts.restore_version": "restore a version",
    "drafts.autosave": "edit",
    "drafts.send_test": "send test",
    "issues.request_approval": "request approval",
    "issues.create_draft": "draft",
    "issues.set_reminders": "change reminders",
    "settings.create_publication": "create publication",
    "settings.save": "change",
    "settings.save_setup_step": "set up",
}


@desk.after_request
def record_unlogged_change(response: Response) -> Response:
    """Record every change that its own view did not record, so that none is forgotten."""
    if _is_change(response):
        verb, kind, number = _describe_request()
        words = " ".join(value for value in (request.view_args or {}).values() if isinstance(value, str))
        if not _was_just_recorded(verb, kind, number, words):
            with services().db.begin() as db:
                record(db, verb, kind, number, words)
    return response


@blueprint.get("/audit-log", endpoint="audit_log")
@requires_role(Role.OWNER)
def audit_log_page() -> str:
    """The audit log, fifty entries a page, optionally of one type or one user."""
    before, kind = request.args.get("before", type=parse_row_number), request.args.get("kind") or None
    user_id = request.args.get("user", type=parse_row_number)
    with services().db.read() as db:
        lines = audit_log.list_entries(db, before=before, kind=kind, user_id=user_id)
        return render_page(
            "audit_log.html",
            lines=lines,
            link=_link,
            kinds=audit_log.KINDS,
            people=users.list_users(db),
            kind=kind,
            user_id=user_id,
            first=before is None,
            older=lines[-1].entry.id if len(lines) == audit_log.AT_ONCE else None,
            zone=publications.find(db, g.get("current_slug")).zone,
        )


def _submitted_action() -> str:
    return request.form.get("action") or request.form.get("do", "")


def _is_change(response: Response) -> bool:
    """Whether the signed-in user changed something that is to be logged and was not yet."""
    if request.method in SAFE_METHODS or response.status_code >= HTTPStatus.BAD_REQUEST or not g.get("me"):
        return False
    is_settled = g.get("is_recorded") or g.get("refused") or is_unlogged(str(request.endpoint))
    return not is_settled and _submitted_action() not in PREVIEW_ACTIONS


def _was_just_recorded(verb: str, kind: str, number: int | None, words: str) -> bool:
    """Whether the log has the same change by the same user within MERGE_WINDOW."""
    actor, since = audit_log.Actor("desk", g.me.id), utcnow() - MERGE_WINDOW
    with services().db.read() as db:
        publication_id = _publication_id(db, kind)
        return audit_log.has_recent(
            db, actor, since, verb, kind, number=number, details=words, publication_id=publication_id
        )


def _publication_id(db: Session, kind: str) -> int | None:
    """The publication that things of this kind belong to; None where they belong to none."""
    return publications.find(db, g.get("current_slug")).id if kind == "issue" else None


def _describe_request() -> tuple[str, str, int | None]:
    """Verb, kind and number of a change, from its endpoint and its URL."""
    endpoint = str(request.endpoint).removeprefix("desk.")
    verb = _submitted_action().partition(":")[0] or VERBS.get(endpoint, endpoint.rpartition(".")[2])
    number = (request.view_args or {}).get("number")
    kind = KIND_OF.get(request.path.removeprefix("/desk/").partition("/")[0], "setting")
    return verb.replace("_", " ").replace("-", " ")[:32], kind, number if isinstance(number, int) else None


def _link(line: audit_log.AuditLogLine) -> str | None:
    """The page about an entry's subject, if there is one."""
    number = line.entry.number
    if number is None:
        return None
    if line.entry.kind == "issue":
        return url_for("desk.issues.show", number=number, publication=line.slug)
    return url_for("desk.audience.subscriber", number=number) if line.entry.kind == "subscriber" else None

"""The audit log: recording what users do at the desk, and the page that shows it to owners.

Each view records its own change, in the transaction of the change; tests/guards/test_audit_log.py walks the routes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from flask import g, request, url_for
from sqlalchemy.orm import Session

from digest.access import audit_log
from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.editorial import users
from digest.editorial.models import Issue, Role
from digest.publications import publications
from digest.web.desk.access import blueprint
from digest.web.desk.auth import requires_role
from digest.web.desk.view_helpers import render_page, services
from digest.web.guards import parse_row_number

# Changes that are not logged, by endpoint, and why.
UNLOGGED: Final = {
    "audience.search": "only reads; a POST so that no address appears in a URL",
    "switch_publication": "changes only what this browser shows",
    "drafts.record_presence": "a heartbeat of an open draft",
    "drafts.preview_texts": "renders a preview and stores nothing",
    "drafts.find_reader": "only reads; a POST so that no address appears in a URL",
    "access.request_link": "nobody is signed in yet; the sign-in that follows is logged",
    "access.passkey_creation_options": "the new passkey is logged",
    "access.passkey_request_options": "the attempt that follows is logged",
    "access.start_oidc": "the sign-in that follows is logged",
    "access.start_app_setup": "the secret counts only after its first code, which is logged",
}


def record(
    db: Session,
    verb: Verb,
    kind: str,
    number: int | None = None,
    details: str = "",
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    by: int | None = None,
    publication_id: int | None = None,
) -> None:
    """Record what the current user (or user `by`, who is just signing in) does, in the transaction of the change.

    `before` and `after` are values by name; those that differ are recorded.
    """
    audit_log.record(
        db,
        audit_log.Actor("desk", by or g.me.id),
        verb,
        kind,
        number,
        now=utcnow(),
        details=details,
        before=before,
        after=after,
        publication_id=publication_id or _publication_id(db, kind),
    )


@contextmanager
def record_issue_change(db: Session, verb: Verb, issue: Issue) -> Iterator[None]:
    """Record what the block does to the state, send time and cancel window of an issue."""
    actor = audit_log.Actor("desk", g.me.id)
    with audit_log.record_issue_change(db, actor, verb, issue, now=utcnow()):
        yield


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
            users=users.list_users(db),
            kind=kind,
            user_id=user_id,
            first=before is None,
            older=lines[-1].entry.id if len(lines) == audit_log.PAGE_SIZE else None,
            zone=publications.find(db, g.get("current_slug")).zone,
        )


def _publication_id(db: Session, kind: str) -> int | None:
    """The publication that things of this kind belong to; None where they belong to none."""
    return publications.find(db, g.get("current_slug")).id if kind == "issue" else None


def _link(line: audit_log.AuditLogLine) -> str | None:
    """The page about an entry's subject, if there is one."""
    number = line.entry.number
    if number is None:
        return None
    if line.entry.kind == "issue":
        return url_for("desk.issues.show", number=number, publication=line.slug)
    return url_for("desk.audience.subscriber", number=number) if line.entry.kind == "subscriber" else None

"""Edits of a draft: each becomes a version, by the signed-in user, and an entry of the audit log."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import g
from sqlalchemy.orm import Session

from digest.access.audit_verbs import Verb
from digest.db import utcnow
from digest.editorial import issues
from digest.editorial.drafts import versions
from digest.editorial.drafts.versions import EditContext, PendingEdit
from digest.editorial.models import Issue, IssueVersion
from digest.web.desk.access.audit_log import record

TEXTS = ("subject", "preheader")  # whose old and new words the log holds; the version has all of them


def current_editor() -> EditContext:
    """The signed-in user as the author of an edit, now."""
    return EditContext(g.me.address, utcnow(), g.me.id)


@contextmanager
def record_edit(
    db: Session, issue: Issue, *, autosave: bool = False, verb: Verb = Verb.EDIT
) -> Iterator[PendingEdit]:
    """Save and log what the block does to the issue, as `versions.record_edit` does."""
    with (
        logged_version(db, issue, verb),
        versions.record_edit(db, issue, current_editor(), autosave=autosave) as edit,
    ):
        yield edit


@contextmanager
def logged_version(db: Session, issue: Issue, verb: Verb = Verb.EDIT) -> Iterator[None]:
    """Log the version that the block makes, if it makes one.

    What joins the version of a moment ago, as autosaves do, is logged again only if it says something new about it, or
    changes one of TEXTS: the last entry names the subject that is sent.
    """
    issues.lock(db, issue)  # so that nobody else's change stands between the old values and the new ones
    last, before = _summary_of(versions.find_latest(db, issue.id)), _texts_of(issue)
    yield
    made, after = _summary_of(versions.find_latest(db, issue.id)), _texts_of(issue)
    if made is not None and (made != last or before != after):
        record(db, verb, "issue", issue.number, made[1], before=before, after=after)


def _summary_of(version: IssueVersion | None) -> tuple[int, str] | None:
    return (version.id, version.summary) if version else None


def _texts_of(issue: Issue) -> dict[str, object]:
    return {name: getattr(issue, name) for name in TEXTS}

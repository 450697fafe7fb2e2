"""The draft's page, and the parts of it that change while it is open."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import g, request
from sqlalchemy.orm import Session

from digest.catalog import queries, version_diff
from digest.catalog.comparison import ComparisonView
from digest.catalog.version_diff import FieldChange
from digest.editorial.drafts import text_edits, versions
from digest.editorial.models import Issue, Rejection
from digest.editorial.selection.newer_versions import find_newer_versions
from digest.render import markdown
from digest.web.desk import current_publication, names
from digest.web.desk.drafts import alternatives, blueprint, draft_fields
from digest.web.desk.drafts.checks import run_checks
from digest.web.desk.view_helpers import render_page, services

MAX_SEARCH_RESULTS = 12
MAX_REJECTED_SHOWN = 20
PHONE_CHARS = {"subject": 40, "preheader": 80}  # about what a phone's inbox shows


@blueprint.get("/issues/<int:number>/find")
def find_comparisons(number: int) -> str:
    """Search results for adding a comparison, while the editor types."""
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        results = _search_context(db, issue)
        return render_page("draft/search_results.html", **results, zone=issue.publication.zone, issue=issue)


def render_draft(
    db: Session, issue: Issue, unsaved: Mapping[str, str] | None = None, problem: str | None = None
) -> str:
    """The whole draft. `unsaved` are this editor's texts that were not saved because of `problem`."""
    context = draft_context(db, issue) | _search_context(db, issue)
    context |= {
        "texts": context["stored"] | dict(unsaved or {}),
        "problem": problem,
        "checks": run_checks(db, issue),
    }
    return render_page("draft.html", **context)


def render_changes(
    db: Session, issue: Issue, submitted: Mapping[str, str] | None = None, *, in_place: bool = False
) -> str:
    """Every part of an open page that an action may have changed, for htmx to swap in.

    Of the texts, only those that differ from what was `submitted`. With `in_place` the list of picks stays as it is.
    """
    submitted = submitted or {}
    context = draft_context(db, issue) | _search_context(db, issue)
    stale = [
        name
        for name in draft_fields.TEXT_FIELDS
        if name in submitted and draft_fields.normalize(submitted[name]) != context["stored"][name]
    ]
    searched = "find" in request.form
    return render_page("draft/changed.html", **context, stale=stale, in_place=in_place, searched=searched)


def draft_context(db: Session, issue: Issue) -> dict[str, Any]:
    """The context of the draft's templates."""
    stored = draft_fields.stored_texts(issue)
    rejected = _load_rejected(db, issue.rejections)
    views = queries.fetch_by_version(db, [pick.version_id for pick in issue.picks])
    last = versions.find_latest(db, issue.id)
    return {
        "issue": issue,
        "zone": issue.publication.zone,
        "can_edit": g.me.may_edit and text_edits.is_editable(issue),
        "texts": stored,
        "stored": stored,
        "text_version": draft_fields.text_version,
        "views": views,
        "alternatives": {
            pick.id: alternatives.find_alternatives(views[pick.version_id], rejected) for pick in issue.picks
        },
        "newer": _load_newer_versions(db, issue, views),
        "rejected": rejected,
        "more_rejected": max(0, len(issue.rejections) - len(rejected)),
        "intro_html": render_intro(issue.intro),
        "saved_at": last.saved_at if last else issue.drafted_at,
        "phone_chars": PHONE_CHARS,
    }


def render_intro(text: str) -> str:
    """The intro's Markdown as HTML for the desk, without the email's inline styles, which our CSP forbids."""
    import nh3

    return nh3.clean(
        markdown.to_html(text),
        attributes={"a": {"href"}, "ol": {"start"}, "*": {"dir"}},
        link_rel="noopener noreferrer",
    )


def _search_context(db: Session, issue: Issue) -> dict[str, Any]:
    query = request.values.get("find", "").strip()
    return {
        "find": query,
        "results": queries.search(db, query, MAX_SEARCH_RESULTS) if query else None,
        "picked": {pick.comparison_id for pick in issue.picks},
    }


def _load_newer_versions(
    db: Session, issue: Issue, views: Mapping[int, ComparisonView]
) -> dict[int, list[FieldChange]]:
    """What the newest version of each pick's comparison changes, by pick id; only for those that hold an older one."""
    newer = find_newer_versions(db, issue)
    current = queries.fetch_by_version(db, newer.values())
    return {
        pick.id: version_diff.diff_versions(views[pick.version_id], current[newer[pick.comparison_id]])
        for pick in issue.picks
        if pick.comparison_id in newer
    }


def _load_rejected(db: Session, rows: Sequence[Rejection]) -> list[alternatives.RejectedComparison]:
    shown = [row for row in rows if not row.is_excluded][:MAX_REJECTED_SHOWN]
    shown += [row for row in rows if row.is_excluded][:MAX_REJECTED_SHOWN]
    views = names.newest(db, {row.comparison_id for row in shown})
    return [(row, views[row.comparison_id]) for row in shown if row.comparison_id in views]

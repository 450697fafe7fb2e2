"""Drafts an issue, and regenerates a draft without losing what an editor did to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from digest.editorial import issues, transitions
from digest.editorial.calendar import local_time, slots
from digest.editorial.drafts import default_texts, regeneration, versions
from digest.editorial.drafts.snapshot import take_snapshot
from digest.editorial.drafts.versions import EditContext
from digest.editorial.models import Issue, Pick, Rejection, State
from digest.editorial.selection.ranking import RejectedCandidate, SelectedCandidate, Selection
from digest.errors import NotAllowed
from digest.publications.models import Publication

MAX_REJECTIONS = 100  # editors read the nearest misses; nobody reads the thousandth


@dataclass(frozen=True)
class DraftResult:
    """The result of the weekly draft; without an issue, nothing was new. The editors are notified in any case."""

    slot_date: str  # the local date of the slot
    issue: Issue | None
    is_thin: bool


class NothingNew(NotAllowed):
    """No comparison is new since the last issue, so there is nothing to draft."""


def draft_issue(
    session: Session,
    publication: Publication,
    now: datetime,
    *,
    actor: str,
    user_id: int | None = None,
    clicks: Mapping[str, int] | None = None,
) -> Issue:
    """Create or regenerate the publication's open draft from what is new since its last released issue.

    Pins, exclusions, picks with a note, every edited text and the order of what stays are kept; `clicks` counts recent
    clicks by tool slug. The issue's `is_thin` says that it has fewer picks than required. Raises NothingNew, and
    creates no issue, when there is neither an open draft nor anything new.
    """
    _lock_publication(session, publication)
    issue = issues.find_open_draft(session, publication.id)
    if issue and not issues.lock_for_edit(session, issue, f"regenerated ({actor})", {State.DRAFT}):
        issue = None  # it was scheduled a moment ago
    plan = regeneration.plan_draft(session, publication, issue, clicks)
    before = take_snapshot(issue) if issue else None
    if issue is None:
        if not plan.selection.picks:
            raise NothingNew(
                f"nothing is new since the last issue of {publication.name}; import comparisons first"
            )
        issue = _create_issue(session, publication, now, actor, user_id)
    default_texts.change_picks(session, issue, lambda: _apply_selection(session, issue, plan.selection))
    issue.drafted_at = now
    summary = plan.summary if before else "Drafted"
    versions.save_version(session, issue, before, summary, EditContext(actor, now, user_id))
    return issue


def list_publications_due(session: Session, now: datetime) -> list[int]:
    """Return the ids of publications whose next draft is due."""
    publications = session.scalars(select(Publication).order_by(Publication.id))
    return [publication.id for publication in publications if find_due_slot_date(session, publication, now)]


def draft_due_issue(session: Session, publication_id: int, now: datetime) -> DraftResult | None:
    """Create the weekly draft that is due: once per slot, also when nothing is new.

    Returns None when none is due or another process took it. A draft that an editor started by hand is used as it is;
    one left open since an earlier slot is regenerated.
    """
    publication = session.get_one(Publication, publication_id)
    slot_date = find_due_slot_date(session, publication, now)
    if slot_date is None or not _claim(session, publication, slot_date):
        return None
    issue = issues.find_open_draft(session, publication.id)
    if issue is None or issue.slot_date is not None:
        try:
            issue = draft_issue(session, publication, now, actor="clock")
        except NothingNew:
            return DraftResult(slot_date, None, is_thin=True)
    issue.slot_date = slot_date
    session.flush()
    return DraftResult(slot_date, issue, is_thin=issue.is_thin)


def find_due_slot_date(session: Session, publication: Publication, now: datetime) -> str | None:
    """Return the local date of the slot whose draft is due and was not generated yet, or None."""
    slot_date = local_time.next_slot_date(publication, now)
    due_at = local_time.draft_due_at(publication, slot_date)
    done = publication.drafted_for is not None and publication.drafted_for >= slot_date
    if due_at > now or done or slots.is_skipped(session, publication, slot_date):
        return None
    return slot_date


def _claim(session: Session, publication: Publication, slot_date: str) -> bool:
    is_new = Publication.drafted_for.is_(None) | (Publication.drafted_for < slot_date)
    claimed = session.scalar(
        update(Publication)
        .where(Publication.id == publication.id, is_new)
        .values(drafted_for=slot_date)
        .returning(Publication.id)
        .execution_options(synchronize_session=False)
    )
    session.refresh(publication, ["drafted_for"])
    return claimed is not None


def _lock_publication(session: Session, publication: Publication) -> None:
    # FOR NO KEY UPDATE: a sign-up at this moment references the publication and must not wait. SQLite has one writer
    # anyway.
    lock = select(Publication.id).where(Publication.id == publication.id)
    session.execute(lock.with_for_update(key_share=True))


def _create_issue(
    session: Session, publication: Publication, now: datetime, actor: str, user_id: int | None
) -> Issue:
    highest = select(func.max(Issue.number)).where(Issue.publication_id == publication.id)
    issue = Issue(
        publication_id=publication.id,
        number=(session.scalar(highest) or 0) + 1,
        state=State.DRAFT,
        drafted_at=now,
        hold_minutes=publication.hold_minutes,
        last_edit=f"drafted ({actor})",
        publication=publication,
    )
    session.add(issue)
    session.flush()
    transitions.record_transition(
        session, issue.id, "", State.DRAFT, now=now, actor=actor, user_id=user_id, reason="drafted"
    )
    return issue


def _apply_selection(session: Session, issue: Issue, selection: Selection) -> None:
    before = {pick.comparison_id: pick for pick in issue.picks}
    for position, selected in enumerate(selection.picks, start=1):
        _update_pick(session, issue, before.pop(selected.candidate.comparison_id, None), position, selected)
    for pick in before.values():
        session.delete(pick)
    session.execute(delete(Rejection).where(Rejection.issue_id == issue.id))
    session.expire(issue, ["rejections"])
    session.add_all(_make_rejections(issue, selection.rejected))
    session.flush()
    session.expire(issue, ["picks", "rejections"])


def _update_pick(
    session: Session, issue: Issue, pick: Pick | None, position: int, selected: SelectedCandidate
) -> None:
    if pick is None:
        pick = Pick(issue_id=issue.id, comparison_id=selected.candidate.comparison_id)
        session.add(pick)
    pick.version_id, pick.position, pick.reason = selected.candidate.version_id, position, selected.reason


def _make_rejections(issue: Issue, rejected: Iterable[RejectedCandidate]) -> Iterable[Rejection]:
    for rank, rejection in enumerate(rejected, start=1):
        if rank <= MAX_REJECTIONS or rejection.is_excluded:
            yield Rejection(
                issue_id=issue.id,
                comparison_id=rejection.candidate.comparison_id,
                rank=rank,
                reason=rejection.reason,
                is_excluded=rejection.is_excluded,
            )

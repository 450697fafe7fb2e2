"""An issue is drafted, and drafted again without losing what an editor did to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from digest.editorial import issues, transitions
from digest.editorial.calendar import schedule, slots
from digest.editorial.drafts import default_texts, snapshot, versions
from digest.editorial.drafts.versions import EditContext
from digest.editorial.models import Issue, Pick, Rejection, State
from digest.editorial.selection import candidates
from digest.editorial.selection.ranking import RejectedCandidate, SelectedCandidate, Selection
from digest.editorial.selection.ranking import select_picks as choose
from digest.errors import NotAllowed
from digest.publications.models import Publication

MAX_REJECTIONS = 100  # an editor reads the nearest misses; nobody reads the thousandth


@dataclass(frozen=True)
class DraftResult:
    """What the clock's weekly draft came to. Without an issue nothing was new; thin or not, the editors are told."""

    slot_date: str  # the local date it is for
    issue: Issue | None
    is_thin: bool


class NothingNew(NotAllowed):
    """There is nothing to make an issue of: no comparison is new since the last one."""


def draft_issue(
    session: Session,
    publication: Publication,
    now: datetime,
    *,
    actor: str,
    user_id: int | None = None,
    clicks: Mapping[str, int] | None = None,
) -> Issue:
    """The publication's open draft, made or made anew from what is new since its last released issue.

    Pins, vetoes, notes (a noted pick stays) and every edited text are kept; `clicks` counts by tool slug what readers
    followed lately. The issue's `thin` says that there is less than the publication wants at least.
    Raises NothingNew, and makes no issue, when there is neither an open draft nor anything new.
    """
    _one_at_a_time(session, publication)
    issue = issues.find_open_draft(session, publication.id)
    if issue and not issues.lock_for_edit(session, issue, f"drafted anew, {actor}", {State.DRAFT}):
        issue = None  # it went onto the calendar a moment ago
    selection = _selection(session, publication, issue, clicks)
    before = snapshot.take_snapshot(issue) if issue else None
    if issue is None:
        if not selection.picks:
            raise NothingNew(
                f"nothing is new since the last issue of {publication.name}; import comparisons first"
            )
        issue = _start(session, publication, now, actor, user_id)
    default_texts.change_picks(session, issue, lambda: _fill(session, issue, selection))
    issue.drafted_at = now
    what = "Drafted anew" if before else "Drafted"
    versions.save_version(session, issue, before, what, EditContext(actor, now, user_id))
    return issue


def list_publications_due(session: Session, now: datetime) -> list[int]:
    """The ids of publications whose next issue should be drafted by now and was not looked at yet."""
    everyone = session.scalars(select(Publication).order_by(Publication.id))
    return [publication.id for publication in everyone if find_due_slot_date(session, publication, now)]


def draft_due_issue(session: Session, publication_id: int, now: datetime) -> DraftResult | None:
    """Make the weekly draft for the occasion that is due: once per occasion, also when nothing is new.

    None when there is nothing to do (not due, or another was faster). A draft that an editor has begun by hand is taken
    as it is; one that stayed open since an earlier occasion is drafted anew.
    """
    publication = session.get_one(Publication, publication_id)
    occasion = find_due_slot_date(session, publication, now)
    if occasion is None or not _claim(session, publication, occasion):
        return None
    issue = issues.find_open_draft(session, publication.id)
    if issue is None or issue.slot_date is not None:
        try:
            issue = draft_issue(session, publication, now, actor="clock")
        except NothingNew:
            return DraftResult(occasion, None, is_thin=True)
    issue.slot_date = occasion
    session.flush()
    return DraftResult(occasion, issue, is_thin=issue.is_thin)


def find_due_slot_date(session: Session, publication: Publication, now: datetime) -> str | None:
    """The regular day, local date, whose draft should be there by now and was not looked at yet; None for none."""
    run = schedule.next_slot_date(publication, now)
    begins = schedule.draft_due_at(publication, run)
    done = publication.drafted_for is not None and publication.drafted_for >= run
    if begins > now or done or slots.is_skipped(session, publication, run):
        return None
    return run


def _claim(session: Session, publication: Publication, occasion: str) -> bool:
    fresh = Publication.drafted_for.is_(None) | (Publication.drafted_for < occasion)
    claimed = session.scalar(
        update(Publication)
        .where(Publication.id == publication.id, fresh)
        .values(drafted_for=occasion)
        .returning(Publication.id)
        .execution_options(synchronize_session=False)
    )
    session.refresh(publication, ["drafted_for"])
    return claimed is not None


def _one_at_a_time(session: Session, publication: Publication) -> None:
    # NO KEY: a reader who signs up at this moment refers to the publication and must not wait. SQLite has its one
    # writer already.
    lock = select(Publication.id).where(Publication.id == publication.id)
    session.execute(lock.with_for_update(key_share=True))


def _start(session: Session, publication: Publication, now: datetime, by: str, user_id: int | None) -> Issue:
    highest = select(func.max(Issue.number)).where(Issue.publication_id == publication.id)
    issue = Issue(
        publication_id=publication.id,
        number=(session.scalar(highest) or 0) + 1,
        state=State.DRAFT,
        drafted_at=now,
        hold_minutes=publication.hold_minutes,
        last_edit=f"drafted, {by}",
        publication=publication,
    )
    session.add(issue)
    session.flush()
    transitions.record_transition(
        session, issue.id, "", State.DRAFT, now=now, actor=by, user_id=user_id, reason="drafted"
    )
    return issue


def _selection(
    session: Session, publication: Publication, issue: Issue | None, clicks: Mapping[str, int] | None
) -> Selection:
    kept = {p.comparison_id: p.position for p in issue.picks if p.pinned or p.note} if issue else {}
    vetoes = {r.comparison_id for r in issue.rejections if r.vetoed} if issue else set[int]()
    found = candidates.list_new(session, publication.id)
    found += candidates.list_by_ids(
        session, publication.id, (kept.keys() | vetoes) - {c.comparison_id for c in found}
    )
    return choose(found, publication.wanted_picks, pins=kept, vetoes=vetoes, clicks=clicks)


def _fill(session: Session, issue: Issue, selection: Selection) -> None:
    before = {pick.comparison_id: pick for pick in issue.picks}
    for position, chosen in enumerate(selection.picks, start=1):
        _place(session, issue, before.pop(chosen.candidate.comparison_id, None), position, chosen)
    for pick in before.values():
        session.delete(pick)
    session.execute(delete(Rejection).where(Rejection.issue_id == issue.id))
    session.expire(issue, ["rejections"])
    session.add_all(_rejections(issue, selection.rejected))
    session.flush()
    session.expire(issue, ["picks", "rejections"])


def _place(
    session: Session, issue: Issue, pick: Pick | None, position: int, chosen: SelectedCandidate
) -> None:
    if pick is None:
        pick = Pick(issue_id=issue.id, comparison_id=chosen.candidate.comparison_id)
        session.add(pick)
    pick.version_id, pick.position, pick.reason = chosen.candidate.version_id, position, chosen.reason


def _rejections(issue: Issue, rejected: Iterable[RejectedCandidate]) -> Iterable[Rejection]:
    for rank, one in enumerate(rejected, start=1):
        if rank <= MAX_REJECTIONS or one.vetoed:
            yield Rejection(
                issue_id=issue.id,
                comparison_id=one.candidate.comparison_id,
                rank=rank,
                why_not=one.reason,
                vetoed=one.vetoed,
            )

"""Issues are looked up here, by the number that people know."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from digest.editorial.models import Approval, Issue, State
from digest.errors import NotAllowed, NotFound
from digest.publications import publications
from digest.publications.models import Publication

_RELEASED = (State.SENDING, State.PAUSED, State.SENT)


def get_by_number(session: Session, number: int, publication: Publication | None = None) -> Issue:
    """Issue `number` of `publication` (the first publication when None), its picks loaded. Raises NotFound."""
    publication = publication or publications.find(session)
    found = session.scalars(
        select(Issue)
        .where(Issue.publication_id == publication.id, Issue.number == number)
        .options(joinedload(Issue.publication), selectinload(Issue.picks))
    ).one_or_none()
    if found is None:
        raise NotFound(f"{publication.name} has no issue {number}")
    return found


def get_by_id(session: Session, issue_id: int) -> Issue:
    """The issue in row `issue_id`. Raises NotFound."""
    found = session.get(Issue, issue_id)
    if found is None:
        raise NotFound(f"there is no issue in row {issue_id}")
    return found


def list_issues(
    session: Session,
    publication: Publication,
    *,
    states: Sequence[State] | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[Issue]:
    """The issues of `publication`, the newest first, with their picks; only those in `states` when given."""
    wanted = (
        select(Issue)
        .where(Issue.publication_id == publication.id)
        .options(joinedload(Issue.publication), selectinload(Issue.picks))
        .order_by(Issue.number.desc())
        .limit(limit)
        .offset(offset)
    )
    if states is not None:
        wanted = wanted.where(Issue.state.in_(states))
    return list(session.scalars(wanted))


def find_open_draft(session: Session, publication_id: int) -> Issue | None:
    """The one issue that is being drafted, if there is one."""
    wanted = select(Issue).where(Issue.publication_id == publication_id, Issue.state == State.DRAFT)
    return session.scalars(wanted).one_or_none()


def find_latest_sent(session: Session, publication_id: int) -> Issue | None:
    """The issue with the highest number that was sent to its end, if there is one."""
    sent = select(Issue).where(Issue.publication_id == publication_id, Issue.state == State.SENT)
    return session.scalars(sent.order_by(Issue.number.desc()).limit(1)).one_or_none()


def lock_for_edit(
    session: Session, issue: Issue, edit: str, states: Collection[State], revision: int | None = None
) -> bool:
    """Take the issue's row until the transaction ends, for an `edit`: its revision rises and it is read anew.

    Everything else that wants the row waits. False, and nothing is changed, when the issue is in none of `states`
    or, with a `revision`, when that is not the present one. Look at picks only after it: others may have
    committed meanwhile. One that is paused is taken only when it was never frozen.
    """
    session.flush()
    mine = update(Issue).where(Issue.id == issue.id, Issue.state.in_(states))
    mine = mine.where(or_(Issue.state != State.PAUSED, Issue.release_at.is_(None)))
    if revision is not None:
        mine = mine.where(Issue.revision == revision)
    mine = mine.values(revision=Issue.revision + 1, last_edit=edit).returning(Issue.id)
    won = session.scalar(mine.execution_options(synchronize_session=False))
    reload(session, issue)
    return won is not None


def lock(session: Session, issue: Issue) -> None:
    """Take the issue's row until the transaction ends, and read it anew; nothing is changed."""
    session.flush()
    session.execute(select(Issue.id).where(Issue.id == issue.id).with_for_update())
    reload(session, issue)


def require_sendable(issue: Issue) -> None:
    """Raise NotAllowed when the issue lacks what nothing can go out, or stay on the calendar, without."""
    if not issue.picks:
        raise NotAllowed(f"issue {issue.number} has no picks; add a comparison before it can go out")
    if not issue.subject.strip():
        raise NotAllowed(f"issue {issue.number} has no subject; write one before it can go out")


def reload(session: Session, issue: Issue) -> None:
    """Read the issue, its picks and its rejections anew: its row was just taken, and may have been read before."""
    loaded = [name for name in ("picks", "rejections") if name in issue.__dict__]
    for name in loaded:
        for part in getattr(issue, name):
            if part in session:  # a pick that was just deleted is not
                session.expire(part)
    session.expire(issue, ["picks", "rejections"])
    session.refresh(issue)
    for name in loaded:
        getattr(issue, name)  # a door may look at them after its commit


def has_started_sending() -> ColumnElement[bool]:
    """The condition on Issue that readers got it, or some of them, or are getting it now.

    One that was cancelled in its hold was never started, and what it held is new again. One that is paused
    without a `release_at` missed its hour and was never frozen.
    """
    return or_(
        and_(Issue.state.in_(_RELEASED), Issue.release_at.is_not(None)),
        and_(Issue.state == State.CANCELLED, Issue.started_at.is_not(None)),
        Issue.state == State.SENT,
    )


def reserves_picks() -> ColumnElement[bool]:
    """The condition on Issue that its picks are spoken for: it went out, or it is on the calendar to do so."""
    return or_(has_started_sending(), Issue.state.in_((State.SCHEDULED, State.SENDING, State.PAUSED)))


def lacks_approval() -> ColumnElement[bool]:
    """The condition on Issue that it must not go out yet: two people are wanted, and no second one released it.

    Whatever sends asks this one rule. A release holds for the revision that was seen; `releases` writes it down.
    """
    wanted = exists().where(Publication.id == Issue.publication_id, Publication.two_people)
    released = exists().where(
        Approval.issue_id == Issue.id, Approval.revision == Issue.revision, Approval.approved_at.is_not(None)
    )
    return and_(wanted, ~released)


def is_awaiting_approval(session: Session, issue: Issue) -> bool:
    """The same of one issue, asked of the rows."""
    session.flush()
    return session.scalar(select(Issue.id).where(Issue.id == issue.id, lacks_approval())) is not None

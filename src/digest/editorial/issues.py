"""Issues are looked up here, by the number that people know."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from digest.editorial.models import Issue, State
from digest.errors import NotFound
from digest.publications import publications
from digest.publications.models import Publication

_RELEASED = (State.SENDING, State.PAUSED, State.SENT)


def get(session: Session, number: int, publication: Publication | None = None) -> Issue:
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


def by_id(session: Session, issue_id: int) -> Issue:
    """The issue in row `issue_id`. Raises NotFound."""
    found = session.get(Issue, issue_id)
    if found is None:
        raise NotFound(f"there is no issue in row {issue_id}")
    return found


def listing(
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


def open_draft(session: Session, publication_id: int) -> Issue | None:
    """The one issue that is being drafted, if there is one."""
    wanted = select(Issue).where(Issue.publication_id == publication_id, Issue.state == State.DRAFT)
    return session.scalars(wanted).one_or_none()


def latest_sent(session: Session, publication_id: int) -> Issue | None:
    """The issue with the highest number that was sent to its end, if there is one."""
    sent = select(Issue).where(Issue.publication_id == publication_id, Issue.state == State.SENT)
    return session.scalars(sent.order_by(Issue.number.desc()).limit(1)).one_or_none()


def previous_frozen(session: Session, issue: Issue) -> Issue | None:
    """The nearest issue before this one that went out, or is doing so."""
    earlier = select(Issue).where(
        Issue.publication_id == issue.publication_id, Issue.number < issue.number, went_out()
    )
    return session.scalars(earlier.order_by(Issue.number.desc()).limit(1)).one_or_none()


def reread(session: Session, issue: Issue) -> None:
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


def went_out() -> ColumnElement[bool]:
    """The condition on Issue that readers got it, or some of them, or are getting it now.

    One that was cancelled in its hold was never started, and what it held is new again. One that is paused
    without a `release_at` missed its hour and was never frozen.
    """
    return or_(
        and_(Issue.state.in_(_RELEASED), Issue.release_at.is_not(None)),
        and_(Issue.state == State.CANCELLED, Issue.started_at.is_not(None)),
        Issue.state == State.SENT,
    )


def holds() -> ColumnElement[bool]:
    """The condition on Issue that its picks are spoken for: it went out, or it is on the calendar to do so."""
    return or_(went_out(), Issue.state.in_((State.SCHEDULED, State.SENDING, State.PAUSED)))

"""Finding and locking issues, and the conditions that queries share."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from digest.editorial.models import Approval, Issue, State
from digest.errors import NotAllowed, NotFound
from digest.publications import publications
from digest.publications.models import Publication

_STARTED = (State.SENDING, State.PAUSED, State.SENT)


def get_by_number(session: Session, number: int, publication: Publication | None = None) -> Issue:
    """Return issue `number` of `publication` (None: the first one) with its picks. Raises NotFound."""
    publication = publication or publications.find(session)
    issue = session.scalars(
        select(Issue)
        .where(Issue.publication_id == publication.id, Issue.number == number)
        .options(joinedload(Issue.publication), selectinload(Issue.picks))
    ).one_or_none()
    if issue is None:
        raise NotFound(f"{publication.name} has no issue {number}")
    return issue


def get_by_id(session: Session, issue_id: int) -> Issue:
    """Return the issue with this id. Raises NotFound."""
    issue = session.get(Issue, issue_id)
    if issue is None:
        raise NotFound(f"there is no issue with id {issue_id}")
    return issue


def list_issues(
    session: Session,
    publication: Publication,
    *,
    states: Sequence[State] | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[Issue]:
    """Return the issues of `publication` with their picks, newest first; only those in `states` when given."""
    query = (
        select(Issue)
        .where(Issue.publication_id == publication.id)
        .options(joinedload(Issue.publication), selectinload(Issue.picks))
        .order_by(Issue.number.desc())
        .limit(limit)
        .offset(offset)
    )
    if states is not None:
        query = query.where(Issue.state.in_(states))
    return list(session.scalars(query))


def find_open_draft(session: Session, publication_id: int) -> Issue | None:
    """Return the open draft of a publication, which has at most one."""
    drafts = select(Issue).where(Issue.publication_id == publication_id, Issue.state == State.DRAFT)
    return session.scalars(drafts).one_or_none()


def find_latest_sent(session: Session, publication_id: int) -> Issue | None:
    """Return the sent issue with the highest number."""
    sent = select(Issue).where(Issue.publication_id == publication_id, Issue.state == State.SENT)
    return session.scalars(sent.order_by(Issue.number.desc()).limit(1)).one_or_none()


def lock_for_edit(
    session: Session, issue: Issue, edit: str, states: Collection[State], revision: int | None = None
) -> bool:
    """Lock the issue's row until the transaction ends, for an `edit`: its revision is raised and it is reloaded.

    Others who need the row wait. Returns False and changes nothing when the issue is in none of `states`, when
    `revision` is given and is not the current one, or when it was paused after the freeze. Read picks only
    afterwards: another transaction may have committed before.
    """
    session.flush()
    locked = update(Issue).where(Issue.id == issue.id, Issue.state.in_(states))
    locked = locked.where(or_(Issue.state != State.PAUSED, Issue.release_at.is_(None)))
    if revision is not None:
        locked = locked.where(Issue.revision == revision)
    locked = locked.values(revision=Issue.revision + 1, last_edit=edit).returning(Issue.id)
    won = session.scalar(locked.execution_options(synchronize_session=False))
    reload(session, issue)
    return won is not None


def lock(session: Session, issue: Issue) -> None:
    """Lock the issue's row until the transaction ends, and reload it; nothing is changed."""
    session.flush()
    session.execute(select(Issue.id).where(Issue.id == issue.id).with_for_update())
    reload(session, issue)


def require_sendable(issue: Issue) -> None:
    """Raise NotAllowed when the issue lacks what it needs to be scheduled or sent: a pick and a subject."""
    if not issue.picks:
        raise NotAllowed(f"issue {issue.number} has no picks; add a comparison first")
    if not issue.subject.strip():
        raise NotAllowed(f"issue {issue.number} has no subject; write one first")


def reload(session: Session, issue: Issue) -> None:
    """Reload the issue, its picks and its rejections: its row was just locked, and may have been read before."""
    loaded = [name for name in ("picks", "rejections") if name in issue.__dict__]
    for name in loaded:
        for part in getattr(issue, name):
            if part in session:  # a pick that was just deleted is not in it
                session.expire(part)
    session.expire(issue, ["picks", "rejections"])
    session.refresh(issue)
    for name in loaded:
        getattr(issue, name)  # a caller may read them after its commit


def has_started_sending() -> ColumnElement[bool]:
    """Return the condition on Issue that some readers have it, or that it is being sent.

    One that was cancelled during its hold was never started, so its picks are new again. One that is paused without a
    `release_at` missed its time and was never frozen.
    """
    return or_(
        and_(Issue.state.in_(_STARTED), Issue.release_at.is_not(None)),
        and_(Issue.state == State.CANCELLED, Issue.started_at.is_not(None)),
        Issue.state == State.SENT,
    )


def reserves_picks() -> ColumnElement[bool]:
    """Return the condition on Issue that its picks are taken: it was sent, is being sent, or is scheduled."""
    return or_(has_started_sending(), Issue.state.in_((State.SCHEDULED, State.SENDING, State.PAUSED)))


def lacks_approval() -> ColumnElement[bool]:
    """Return the condition on Issue that it must not be sent yet: approval is required and missing.

    Everything that sends applies this one rule. An approval holds for the revision that was reviewed; see approvals.py.
    """
    required = exists().where(Publication.id == Issue.publication_id, Publication.requires_approval)
    approved = exists().where(
        Approval.issue_id == Issue.id, Approval.revision == Issue.revision, Approval.approved_at.is_not(None)
    )
    return and_(required, ~approved)


def is_awaiting_approval(session: Session, issue: Issue) -> bool:
    """Return whether approval of this issue is required and missing, by what the database says."""
    session.flush()
    return session.scalar(select(Issue.id).where(Issue.id == issue.id, lacks_approval())) is not None

"""Small publications, comparisons and issues for the editorial tests."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.catalog.models import Comparison, ComparisonVersion, Quote, Review, Tool
from digest.editorial import transitions
from digest.editorial.calendar import schedule
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, State
from digest.publications import publications
from digest.publications.models import Publication

NOW = datetime(2026, 10, 12, 8, 0, tzinfo=UTC)  # a Monday


def publication(session: Session, **fields: object) -> Publication:
    given: dict[str, object] = {
        "name": "Weekly Verdicts",
        "sender_address": "digest@verdicts.example.org",
        "zone": "Europe/Berlin",
        "postal_address": "1 Main Street",
    }
    return publications.create(session, now=NOW, **(given | fields))


def compare(
    session: Session,
    left: str,
    right: str,
    *,
    panel: tuple[int, int] = (75, 50),
    community: tuple[int | None, int | None] = (None, None),
    days_ago: int = 0,
    reviewers: int = 4,
) -> Comparison:
    """Add a comparison, or the next version of it."""
    slug = f"{left}-vs-{right}".lower().replace(" ", "-")
    comparison = session.scalars(select(Comparison).where(Comparison.slug == slug)).one_or_none()
    if comparison is None:
        comparison = Comparison(slug=slug, added_at=NOW)
        session.add(comparison)
        session.flush()
    number = (
        session.scalar(
            select(func.max(ComparisonVersion.number)).where(ComparisonVersion.comparison_id == comparison.id)
        )
        or 0
    ) + 1
    at = NOW - timedelta(days=days_ago)
    version = ComparisonVersion(
        comparison_id=comparison.id,
        number=number,
        fingerprint=f"{slug}-{number}",
        left_id=_review(session, left, panel[0], community[0], f"{slug}-{number}-left").id,
        right_id=_review(session, right, panel[1], community[1], f"{slug}-{number}-right").id,
        source="test",
        published_at=at,
        imported_at=at,
    )
    session.add(version)
    session.flush()
    session.add_all(
        Quote(version_id=version.id, reviewer=place, side=side, text=f"“Reviewer {place} on {side}.”")
        for place in range(1, reviewers + 1)
        for side in ("left", "right")
    )
    session.flush()
    return comparison


def week(session: Session, count: int = 6, first: int = 0) -> list[Comparison]:
    """Add `count` comparisons of different tools, the newest first."""
    return [
        compare(session, f"Tool{2 * n}", f"Tool{2 * n + 1}", days_ago=n - first)
        for n in range(first, first + count)
    ]


def drafted(session: Session, count: int = 6, **fields: object) -> Issue:
    """A draft of a publication with `count` new comparisons."""
    weekly = publication(session, **fields)
    week(session, count)
    return drafting.draft_issue(session, weekly, NOW, actor="test")


def release(session: Session, issue: Issue, now: datetime = NOW) -> None:
    """Send the issue as delivery would: scheduled, frozen, started, sent."""
    schedule.send_now(session, issue, now=now, actor="test")
    transitions.change_state(session, issue, State.SENDING, now=now, actor="clock")
    issue.release_at = issue.started_at = now
    transitions.change_state(session, issue, State.SENT, now=now, actor="clock")


def names(issue: Issue) -> list[str]:
    """The slug of each pick's comparison, in order."""
    return [pick.version.comparison.slug for pick in issue.picks]


def _review(session: Session, name: str, panel: int, community: int | None, fingerprint: str) -> Review:
    slug = name.lower().replace(" ", "-")
    tool = session.scalars(select(Tool).where(Tool.slug == slug)).one_or_none()
    if tool is None:
        tool = Tool(slug=slug, name=name)
        session.add(tool)
        session.flush()
    review = Review(
        tool_id=tool.id,
        fingerprint=fingerprint[-64:],
        tagline=f"{name} in one line",
        category="Developer Tools",
        panel_ship=panel,
        community_ship=community,
        entry_price="Free",
        description=f"{name} does one thing well.",
        added_at=NOW,
    )
    session.add(review)
    session.flush()
    return review

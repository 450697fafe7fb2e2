"""The hold of a frozen issue: until its `release_at`, and never again once mails of it went out.

A clock that is set back while an issue goes out does not begin its hold anew.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, or_

from digest.editorial.models import Issue


def is_over(now: ColumnElement[datetime] | datetime) -> ColumnElement[bool]:
    """SQL condition on an Issue: it is frozen, and its hold is over."""
    return or_(Issue.release_at <= now, Issue.started_at >= Issue.release_at)


def is_in_hold(issue: Issue, now: datetime) -> bool:
    """Whether the issue is frozen and its hold is not over."""
    if issue.release_at is None or issue.release_at <= now:
        return False
    # What went out elsewhere, before a restore, started it without an end of its hold here.
    return issue.started_at is None or issue.started_at < issue.release_at

"""The compiled issue, frozen or not, so that previews, sizes and checks use exactly what would be sent."""

from functools import lru_cache

from sqlalchemy.orm import Session

from digest.delivery.ledger.models import FrozenIssue
from digest.editorial import editions
from digest.editorial.models import Issue
from digest.render.compile import compile_issue
from digest.render.compiled_issue import CompiledIssue
from digest.render.content import Edition, from_json

CACHE_SIZE = 8  # issues of about 200 kB each; checks and previews request the same one repeatedly


def get_compiled_issue(session: Session, issue: Issue, base_url: str) -> CompiledIssue:
    """The frozen issue, else the issue compiled as it is now. Raises BadInput when it cannot be compiled.

    When the emails were deleted, the frozen content is compiled anew: readers may have got an earlier template.
    """
    frozen = session.get(FrozenIssue, issue.id)
    if frozen is not None and frozen.emails_deleted_at is not None:
        return _compile_cached(from_json(frozen.edition))
    if frozen is not None:
        return CompiledIssue.from_bytes(frozen.compiled)
    return _compile_cached(editions.build_edition(session, issue, base_url))


@lru_cache(CACHE_SIZE)
def _compile_cached(edition: Edition) -> CompiledIssue:
    """Safe to cache: the same edition always compiles to the same bytes."""
    return compile_issue(edition)

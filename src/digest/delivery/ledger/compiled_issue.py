"""The pressed issue, whether it is frozen or not: previews, sizes and checks look at what would be sent."""

from functools import lru_cache

from sqlalchemy.orm import Session

from digest.delivery.ledger.models import FrozenIssue
from digest.editorial import editions
from digest.editorial.models import Issue
from digest.render.compile import CompiledIssue, compile_issue
from digest.render.content import Edition

CACHE_SIZE = 8  # issues, of some 200 kB each: checks and previews ask for the same one again and again


def get_compiled_issue(session: Session, issue: Issue, base_url: str) -> CompiledIssue:
    """The issue as it was frozen, else pressed as it stands now. Raises BadInput for a text that cannot be."""
    frozen = session.get(FrozenIssue, issue.id)
    if frozen is not None:
        return CompiledIssue.from_bytes(frozen.compiled)
    return _compile_cached(editions.build_edition(session, issue, base_url))


@lru_cache(CACHE_SIZE)
def _compile_cached(edition: Edition) -> CompiledIssue:
    """The same edition gives the same bytes."""
    return compile_issue(edition)

"""The editors' desk: from a draft that is already good to a report that adds up."""

from digest.web.desk import (  # noqa: F401  importing a file of pages registers them
    account,
    chosen,
    comparisons,
    draft,
    factors,
    issues,
    log,
    oidc,
    people,
    preview,
    problems,
    report,
    schedule,
    second,
    sign_in,
    subscribers,
    watch,
)
from digest.web.desk.gate import blueprint

__all__ = ["blueprint"]

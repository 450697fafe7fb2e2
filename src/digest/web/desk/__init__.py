"""The editors' desk: from a draft that is already good to a report that adds up."""

from digest.web.desk import (  # noqa: F401  importing a file of pages registers them
    account,
    audience,
    calendar,
    checking,
    chosen,
    clash,
    comparisons,
    deliveries,
    draft,
    factors,
    issues,
    log,
    oidc,
    people,
    preview,
    problems,
    release,
    report,
    saving,
    schedule,
    second,
    settings,
    setup,
    sign_in,
    subscriber,
    subscribers,
    tools,
    trials,
    uploads,
    versions,
    watch,
    writing,
)
from digest.web.desk.gate import blueprint

__all__ = ["blueprint"]

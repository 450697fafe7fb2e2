"""The editors' desk: one blueprint for each area, nested in one that requires signing in."""

from digest.web.desk import (
    access,
    audience,
    catalog,
    current_publication,  # noqa: F401  registers its hooks
    drafts,
    issues,
    problems,  # noqa: F401  registers its error handlers
    settings,
)
from digest.web.desk.auth import blueprint

for area in (drafts, issues, catalog, audience, access, settings):
    blueprint.register_blueprint(area.blueprint)

__all__ = ["blueprint"]

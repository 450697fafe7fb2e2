"""The editors' desk: a blueprint for each area, nested in one that requires signing in."""

from digest.web.desk import (  # noqa: F401  registers their hooks and error handlers
    access,
    audience,
    catalog,
    current_publication,
    drafts,
    error_pages,
    issues,
    settings,
    stop_banner,
)
from digest.web.desk.auth import blueprint

for area in (issues, drafts, catalog, audience, access, settings):
    blueprint.register_blueprint(area.blueprint)

__all__ = ["blueprint"]

"""The current publication of the desk.

With several publications, every link and form of the desk names one, so that two tabs never confuse two issues with the
same number. A URL without one means the publication chosen last in this session, else the first.
"""

from typing import Any, Final

from flask import g, request, session
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.editorial import issues
from digest.editorial.models import Issue, Role
from digest.errors import NotFound
from digest.publications import publications
from digest.publications.models import Publication
from digest.web.desk.auth import blueprint, requires_role
from digest.web.desk.view_helpers import form_field, redirect_to, services

PARAMETER: Final = "publication"  # in the query and in the session


def get(db: Session) -> Publication:
    """The current publication. Raises NotFound when there are no publications."""
    return publications.find(db, g.get("current_slug"))


def get_issue(db: Session, number: int) -> Issue:
    """Issue `number` of the current publication, with its picks loaded. Raises NotFound."""
    return issues.get_by_number(db, number, get(db))


def switch_to(slug: str) -> None:
    """Make the publication `slug` the current one, for this response and the rest of the session."""
    session[PARAMETER] = g.current_slug = slug


@blueprint.before_request
def resolve() -> None:
    """Determine the current publication. Raises NotFound for a URL that names an unknown one."""
    if g.get("me") is None:
        return
    with services().db.read() as db:
        g.publications = db.execute(select(Publication.slug, Publication.name).order_by(Publication.id)).all()
    known = [slug for slug, _ in g.publications]
    asked, last = request.args.get(PARAMETER), session.get(PARAMETER)
    g.current_slug = next((slug for slug in (asked, last) if slug in known), known[0] if known else None)
    if asked is not None and asked not in known:
        raise NotFound("there is no such publication")


@blueprint.url_defaults
def add_to_urls(_endpoint: str, values: dict[str, Any]) -> None:
    """Add the current publication to every desk URL, once there are several."""
    if len(g.get("publications", ())) > 1:
        values.setdefault(PARAMETER, g.current_slug)


@blueprint.app_context_processor
def switcher_context() -> dict[str, Any]:
    """What the publication switcher in the layout shows."""
    return {"publications": g.get("publications", ()), "current_slug": g.get("current_slug")}


@blueprint.post("/publication")
@requires_role(Role.VIEWER)
def switch_publication() -> Response:
    """Switch to another publication. Only this browser's session changes."""
    with services().db.read() as db:
        switch_to(publications.find(db, form_field("slug")).slug)
    return redirect_to("issues.overview")

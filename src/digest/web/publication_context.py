"""What every public page needs: the services, and the publication whose page it is."""

from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, Response, current_app, g, make_response, render_template
from sqlalchemy.orm import Session

from digest.errors import NotFound
from digest.publications import publications
from digest.publications.models import Publication
from digest.render.footer_address import footer_address
from digest.services import Services

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class PublicationContext:
    """The publication as its public pages show it."""

    id: int
    slug: str
    name: str
    tagline: str
    language: str
    weekday: str
    footer_lines: tuple[str, ...]  # the name, then the postal address without repeating the name


def services() -> Services:
    """The services of the current app."""
    found: Services = current_app.extensions["digest"]
    return found


def load_publication(session: Session, publication_id: int | None = None) -> PublicationContext:
    """The publication with this id, else the one in the URL, else the first one. Raises NotFound.

    From then on every public link of the page stays with that publication.
    """
    slug, g.publication_slug = g.get("publication_slug"), None
    found = session.get(Publication, publication_id) if publication_id else publications.find(session, slug)
    if found is None:
        raise NotFound("this publication no longer exists")
    g.publication_slug = found.slug if publications.public_path(session, found) else None
    return PublicationContext(
        id=found.id,
        slug=found.slug,
        name=found.name,
        tagline=found.tagline,
        language=found.language,
        weekday=WEEKDAYS[found.weekday],
        footer_lines=footer_address(found.name, found.postal_address),
    )


def register_publication_urls(app: Flask) -> None:
    """Keep links within a publication: all but the first one have their pages below /p/<slug>."""

    @app.url_value_preprocessor
    def read_slug(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.publication_slug = (values or {}).pop("publication", None)

    @app.url_defaults
    def add_slug(endpoint: str, values: dict[str, Any]) -> None:
        slug = g.get("publication_slug")
        if slug and app.url_map.is_endpoint_expecting(endpoint, "publication"):
            values.setdefault("publication", slug)


def render_private(template: str, status: int = 200, **facts: Any) -> Response:
    """A page behind a token: not cached, not indexed, and its address is sent to no other site."""
    response = make_response(render_template(template, **facts), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response

"""What the public pages stand in: the services, the publication as plain data, and who a token speaks of."""

from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, Response, current_app, g, make_response, render_template
from sqlalchemy.orm import Session

from digest.errors import NotFound
from digest.publications import publications
from digest.publications.models import Publication
from digest.render.footer_address import imprint
from digest.services import Services

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Paper:
    """The publication as its pages show it."""

    id: int
    slug: str
    name: str
    tagline: str
    language: str
    weekday: str
    imprint: tuple[str, ...]  # the name and the lines of the postal address, the name once


def services() -> Services:
    """The services that this app was made with."""
    found: Services = current_app.extensions["digest"]
    return found


def paper(session: Session, publication_id: int | None = None) -> Paper:
    """The publication in that row, else the one whose pages these are, else the first one. Raises NotFound.

    From here on every link of the page leads to the pages of that publication.
    """
    slug, g.paper = g.get("paper"), None
    found = session.get(Publication, publication_id) if publication_id else publications.find(session, slug)
    if found is None:
        raise NotFound("this publication is not here any more")
    g.paper = found.slug if publications.path(session, found) else None
    return Paper(
        id=found.id,
        slug=found.slug,
        name=found.name,
        tagline=found.tagline,
        language=found.language,
        weekday=WEEKDAYS[found.weekday],
        imprint=imprint(found.name, found.postal_address),
    )


def keep_to_the_paper(app: Flask) -> None:
    """Let a publication's pages link to each other: those of all but the first one stand below /p/<slug>."""

    @app.url_value_preprocessor
    def take(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.paper = (values or {}).pop("paper", None)

    @app.url_defaults
    def give(endpoint: str, values: dict[str, Any]) -> None:
        if g.get("paper") and app.url_map.is_endpoint_expecting(endpoint, "paper"):
            values.setdefault("paper", g.paper)


def private(template: str, status: int = 200, **facts: Any) -> Response:
    """A page behind a token: no cache keeps it, no search engine lists it, and its address is told to nobody."""
    response = make_response(render_template(template, **facts), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response

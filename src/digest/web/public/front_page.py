"""The front page and its sign-up form."""

from typing import Final

from flask import Blueprint, Response, current_app, render_template, url_for

from digest.audience import signup
from digest.catalog import queries
from digest.db import utcnow
from digest.web.public import archive, comparison_cards, sign_up
from digest.web.publication_context import load_publication, services

LATEST_COMPARISONS: Final = 4

blueprint = Blueprint("site", __name__)


@blueprint.get("/")
@blueprint.get("/p/<publication>/")
def front() -> str:
    """The publication, its sign-up form, and the latest issue."""
    made = services()
    with made.db.read() as session:
        publication = load_publication(session)
        sent = archive.sent_issues(session, publication, 1)
        newest = (
            ()
            if sent
            else tuple(
                map(comparison_cards.from_comparison, queries.list_newest(session, LATEST_COMPARISONS))
            )
        )
        cards = sent[0].cards if sent else newest
        return render_template(
            "front_page.html",
            publication=publication,
            latest=sent[0] if sent else None,
            cards=cards,
            teaser=comparison_cards.find_teaser(cards),
            form=signup.form_token(made.signer, utcnow()),
            consent_text=sign_up.consent_text(publication),
            home=url_for("site.front"),
        )


@blueprint.get("/robots.txt")
def robots() -> Response:
    """Search engines may index the public pages, but no personal links."""
    private = ("/confirm/", "/preferences/", "/unsubscribe/", "/go/", "/desk/")
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in private)]
    return Response("\n".join(lines) + "\n", mimetype="text/plain")


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """The icon, for browsers that request it without reading the page."""
    return current_app.send_static_file("favicon.svg")

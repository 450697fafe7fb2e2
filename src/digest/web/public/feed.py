"""The issues as an Atom feed (RFC 4287)."""

from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from flask import Blueprint, Response, url_for
from markupsafe import escape

from digest.bidi import isolate
from digest.publications.models import Publication
from digest.web.public.archive import SentIssue, sent_issues
from digest.web.publication_context import PublicationContext, load_publication, services

ATOM = "http://www.w3.org/2005/Atom"
ENTRIES = 20

blueprint = Blueprint("feed", __name__)
ET.register_namespace("", ATOM)


@blueprint.get("/issues.atom")
@blueprint.get("/p/<publication>/issues.atom")
def atom() -> Response:
    """The latest issues: each entry's id never changes, and its date is when the issue was sent."""
    with services().db.read() as session:
        publication = load_publication(session)
        created = session.get_one(Publication, publication.id).created_at
        feed = _feed(publication, created, sent_issues(session, publication, ENTRIES))
    body = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return Response(body, mimetype="application/atom+xml", headers={"Cache-Control": "public, max-age=300"})


def _feed(publication: PublicationContext, created: datetime, sent: list[SentIssue]) -> ET.Element:
    feed = ET.Element(f"{{{ATOM}}}feed", {"{http://www.w3.org/XML/1998/namespace}lang": publication.language})
    _text(feed, "id", _id(publication, created))
    _text(feed, "title", publication.name)
    _text(feed, "subtitle", publication.tagline)
    _text(feed, "updated", _date(max((issue.released_at for issue in sent), default=created)))
    _link(feed, "self", _absolute("feed.atom"), "application/atom+xml")
    _link(feed, "alternate", _absolute("site.front"), "text/html")
    _text(ET.SubElement(feed, f"{{{ATOM}}}author"), "name", publication.name)
    for issue in sent:
        _entry(feed, publication, created, issue)
    return feed


def _entry(feed: ET.Element, publication: PublicationContext, created: datetime, issue: SentIssue) -> None:
    entry = ET.SubElement(feed, f"{{{ATOM}}}entry")
    _text(entry, "id", f"{_id(publication, created)}/issues/{issue.edition.number}")
    _text(entry, "title", issue.subject or f"{isolate(publication.name)}, issue {issue.edition.number}")
    _text(entry, "updated", _date(issue.released_at))
    _text(entry, "published", _date(issue.released_at))
    _link(entry, "alternate", _absolute("archive.issue", number=issue.edition.number), "text/html")
    if issue.preheader:
        _text(entry, "summary", issue.preheader)
    _text(entry, "content", _html(issue), type="html")


def _html(issue: SentIssue) -> str:
    parts = [str(issue.intro)]
    for card in issue.cards:
        link = _absolute("archive.comparison", slug=card.slug)
        parts.append(
            f'<h2><a href="{escape(link)}">{escape(card.title)}</a></h2><p>{escape(card.verdict)}</p>'
        )
        parts += [
            f"<p><strong>{escape(side.tool)}</strong>: panel {side.panel}% ({escape(side.panel_text)}), "
            f"community: {escape(side.community_text)}, entry price: {escape(side.price)}</p>"
            for side in (card.left, card.right)
        ]
    return "".join(parts)


def _id(publication: PublicationContext, created: datetime) -> str:
    """A tag URI (RFC 4151), which stays the same wherever the publication's pages move."""
    return f"tag:{publication.slug}.digest.invalid,{created:%Y-%m-%d}:{int(created.timestamp())}"


def _absolute(endpoint: str, **values: Any) -> str:
    return services().base_url + url_for(endpoint, **values)


def _text(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes).text = "".join(c for c in text if _in_xml(c))


def _in_xml(character: str) -> bool:
    """Whether XML 1.0 allows the character."""
    return (
        character in "\t\n\r"
        or " " <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character >= "\U00010000"
    )


def _link(parent: ET.Element, rel: str, href: str, kind: str) -> None:
    ET.SubElement(parent, f"{{{ATOM}}}link", {"rel": rel, "href": href, "type": kind})


def _date(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

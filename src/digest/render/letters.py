"""Letters: single mails to one person, made from plain facts.

Facts are strings, as they are shown; links come in as whole URLs, minted by whoever honours them. Every kind takes

    publication       its name
    postal_address    of the publisher, may be ""; its lines are kept

and besides (a fact marked ? may be left out):

    confirm   confirm_url, asked_at ("22 November 2026, 09:14 UTC"), expires ("72 hours"), network? ("203.0.113.0/24"),
              imported_from? (the source that an importer stated)
    welcome   tagline?, preferences_url, unsubscribe_url, next_issue? ("Tuesday, 24 November"), latest_url?
    known     preferences_url, unsubscribe_url, asked_at, network?     (signed up again with a subscribed address)
    sign_in   sign_in_url, expires ("10 minutes"), asked_at?
    invitation  sign_in_url, expires ("7 days"), inviter, role
    notice    heading, paragraphs (list of strings), link_url?, link_label?     (to editors and operators)
"""

from collections.abc import Mapping
from dataclasses import dataclass

from digest.bidi import isolate
from digest.errors import BadInput
from digest.render import environment, mjml
from digest.render.clean import single_line
from digest.render.footer_address import footer_address
from digest.render.headers import list_unsubscribe

_SHARED = {"publication", "postal_address"}
_NEEDED: dict[str, set[str]] = {
    "confirm": {"confirm_url", "asked_at", "expires"},
    "welcome": {"preferences_url", "unsubscribe_url"},
    "known": {"preferences_url", "unsubscribe_url", "asked_at"},
    "sign_in": {"sign_in_url", "expires"},
    "invitation": {"sign_in_url", "expires", "inviter", "role"},
    "notice": {"heading", "paragraphs"},
}
_OPTIONAL: dict[str, set[str]] = {
    "confirm": {"network", "imported_from"},
    "welcome": {"tagline", "next_issue", "latest_url"},
    "known": {"network"},
    "sign_in": {"asked_at"},
    "invitation": set(),
    "notice": {"link_url", "link_label"},
}
_FOREIGN = {"publication", "imported_from", "inviter"}  # they stand inside our sentences
KINDS = tuple(_NEEDED)


@dataclass(frozen=True)
class RenderedLetter:
    """A letter's three texts, and the headers it needs besides From, To, Date and Message-ID."""

    subject: str
    html: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()


def render_letter(kind: str, facts: Mapping[str, object]) -> RenderedLetter:
    """A letter of this kind. Raises BadInput for an unknown kind or a missing fact; others are left out."""
    known = _checked(kind, facts)
    subject = single_line(environment.render_template(kind, "subject.txt", **known))
    known["subject"] = subject
    html = mjml.to_html(environment.render_template(kind, "body.mjml", **known))
    text = environment.render_template(kind, "body.txt", **known).strip() + "\n"
    return RenderedLetter(subject, html.rstrip() + "\n", text, _headers(kind, known))


def _checked(kind: str, facts: Mapping[str, object]) -> dict[str, object]:
    if kind not in _NEEDED:
        raise BadInput(f"there is no letter called {single_line(kind)!r}; there are {', '.join(KINDS)}")
    needed, optional = _NEEDED[kind] | _SHARED, _OPTIONAL[kind]
    if missing := sorted(needed - set(facts)):
        raise BadInput(f"the letter {kind} needs {', '.join(missing)}")
    clean: dict[str, object] = {name: single_line(str(facts.get(name) or "")) for name in needed | optional}
    # Letters are written in English whatever the publication's language: foreign names in them are isolated.
    clean["language"], clean["direction"] = "en", "ltr"
    for name in _FOREIGN & set(clean):
        clean[name] = isolate(str(clean[name]))
    clean["footer_address"] = footer_address(str(facts["publication"]), str(facts["postal_address"]))
    if kind == "notice":
        clean["paragraphs"] = _paragraphs(facts["paragraphs"])
    return clean


def _paragraphs(value: object) -> list[str]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise BadInput("the paragraphs of a notice must be a list of strings")
    return [single_line(str(paragraph)) for paragraph in value]


def _headers(kind: str, facts: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Ask autoresponders not to reply (RFC 3834); letters to subscribers have an unsubscribe header."""
    headers = [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")]
    if kind in {"welcome", "known"}:
        headers += list_unsubscribe(str(facts["unsubscribe_url"]).replace(" ", ""))
    return tuple(headers)

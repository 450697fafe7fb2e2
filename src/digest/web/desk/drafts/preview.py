"""The preview: the real email for one reader, framed at a device's width, as plain text, or as source."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from flask import Response, g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.wrappers import Response as AnyResponse

from digest.access.audit_verbs import Verb
from digest.audience import tokens
from digest.db import utcnow
from digest.delivery.ledger.compiled_issue import get_compiled_issue
from digest.delivery.letters import copies
from digest.editorial.drafts import review_markers
from digest.editorial.drafts.review_markers import ReviewStatus
from digest.editorial.models import Issue
from digest.errors import BadInput, NotFound
from digest.render import parsed_mail as opening
from digest.render.compiled_issue import CompiledIssue
from digest.render.content import Edition
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import record
from digest.web.desk.drafts import blueprint, email_source, sample_email, test_sends
from digest.web.desk.drafts.preview_audience import PreviewReader, requested_reader
from digest.web.desk.drafts.variants import Variants, current_edition, find_variants
from digest.web.desk.view_helpers import (
    flash_done,
    form_field,
    redirect_to,
    render_page,
    respond_with_policy,
    services,
)

VIEWS: Final = {
    "phone": "Phone",
    "tablet": "Tablet",
    "desktop": "Desktop",
    "text": "Plain text",
    "source": "Source",
}
COLOR_SCHEMES: Final = {"light": "Light", "dark": "Dark"}
IMAGE_MODES: Final = {"on": "Images on", "off": "Images off"}

# As in an email client: inline styles, no scripts, no forms; and only inside our pages.
FRAME_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src {images}; frame-ancestors 'self'; "
    "form-action 'none'; base-uri 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


@dataclass(frozen=True)
class Preview:
    """The previewed email and everything it is made from."""

    edition: Edition
    compiled: CompiledIssue
    reader: PreviewReader
    variants: Variants
    since: ReviewStatus

    @property
    def picks(self) -> tuple[int, ...]:
        """The ids of the picks in the email; empty means all of them."""
        return self.variants.shown.picks if self.reader.picks is None else self.reader.picks

    @property
    def changed(self) -> frozenset[int]:
        """The ids of the picks that changed since this user's last review."""
        return frozenset(
            block.pick_id for block in self.edition.blocks if block.slug in self.since.changed_slugs
        )

    def render(self, *, marks: bool = False) -> bytes:
        """The whole email; with `marks`, changed picks are marked."""
        made = sample_email.mark_changes(self.compiled, self.changed) if marks else self.compiled
        return sample_email.render_sample(
            made,
            self.picks,
            to=self.reader.address,
            shown=self.reader.masked_address,
            origin=self.reader.origin,
        )


@blueprint.get("/issues/<int:number>/preview")
def preview(number: int) -> Response:
    """The preview page, for the reader, view, color scheme and images that the query asks for."""
    return respond_with_policy(_render_page(number), frame_src="'self'")


@blueprint.post("/issues/<int:number>/preview")
def find_reader(number: int) -> AnyResponse | tuple[Response, int]:
    """Preview as one subscriber. It is a POST so that no address appears in a URL, a log or a history."""
    with services().db.read() as db:
        try:
            reader = copies.get_subscriber_id(db, form_field("address"))
        except (BadInput, NotFound):
            reader = None
    if reader is None:
        body = _render_page(number, missing=form_field("address") or "nobody")
        return respond_with_policy(body, frame_src="'self'"), HTTPStatus.NOT_FOUND
    return redirect_to(
        "drafts.preview", number=number, reader=reader, **{"as": _choice(VIEWS, "as", "phone")}
    )


@blueprint.post("/issues/<int:number>/mark-reviewed")
def mark_reviewed(number: int) -> AnyResponse:
    """Remember that this user has reviewed the issue as it is now."""
    with services().db.begin() as db:
        issue = current_publication.get_issue(db, number)
        edition = current_edition(db, issue, services().base_url)
        review_markers.mark_reviewed(db, issue, edition, g.me.id, utcnow())
        record(db, Verb.MARK_REVIEWED, "issue", number, f"revision {issue.revision}")
    flash_done("Marked as reviewed. This page now shows what changes after this.")
    return redirect_to("drafts.preview", number=number, **_submitted_view())


@blueprint.get("/issues/<int:number>/preview/body")
def preview_body(number: int) -> Response:
    """The HTML part alone, for the frame, under a policy that allows no scripts and no forms."""
    framed = request.args.get("light") in COLOR_SCHEMES
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        shown = _build_preview(db, issue)
        html = opening.parse_mail(shown.render(marks=framed and "marks" in request.args)).html
        if framed:
            html = sample_email.prepare_for_iframe(html, shown.compiled, **_test_tokens(issue))
            html = force_color_scheme(html, request.args["light"])
    response = Response(html, mimetype="text/html")
    images = "'none'" if request.args.get("images") == "off" else "data: https:"
    response.headers["Content-Security-Policy"] = FRAME_POLICY.format(images=images)
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@blueprint.get("/issues/<int:number>/preview/mail.eml")
def preview_source(number: int) -> Response:
    """The whole email as it would be sent, as an .eml file."""
    with services().db.read() as db:
        mail = _build_preview(db, current_publication.get_issue(db, number)).render()
    response = Response(mail, mimetype="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="issue-{number}.eml"'
    return response


def force_color_scheme(html: str, light: str) -> str:
    """The HTML as an email client in the scheme `light` ("light" or "dark") shows it, whatever this browser prefers."""
    on, off = ("all", "not all")
    dark = on if light == "dark" else off
    bright = on if light == "light" else off
    html = html.replace("(prefers-color-scheme: dark)", dark).replace("(prefers-color-scheme:dark)", dark)
    return html.replace("(prefers-color-scheme: light)", bright).replace(
        "(prefers-color-scheme:light)", bright
    )


def _render_page(number: int, missing: str = "") -> str:
    view, light = _choice(VIEWS, "as", "phone"), _choice(COLOR_SCHEMES, "light", "light")
    images = _choice(IMAGE_MODES, "images", "on")
    with services().db.read() as db:
        issue = current_publication.get_issue(db, number)
        shown = _build_preview(db, issue)
        raw = shown.render()
        mail = opening.parse_mail(raw)
        query = {"as": view, "light": light, "images": images, **shown.reader.query}
        lines, chars_cut = email_source.parse_lines(raw) if view == "source" else ([], 0)
        return render_page(
            "preview.html",
            issue=issue,
            zone=issue.publication.zone,
            mail=mail,
            size=len(raw),
            html_size=len(mail.html.encode()),
            has_images="<img" in mail.html.lower(),
            verdicts=len(shown.picks) or len(shown.edition.blocks),
            variants=shown.variants,
            reader=shown.reader,
            review=shown.since,
            changed_picks=len(shown.changed),
            marks="marks" in request.values,
            missing=missing,
            lines=lines,
            chars_cut=chars_cut,
            test_sends=test_sends.last(db, issue),
            view=view,
            light=light,
            images=images,
            views=VIEWS,
            color_schemes=COLOR_SCHEMES,
            image_modes=IMAGE_MODES,
            query=query,
            preview_url=lambda **change: url_for("desk.drafts.preview", number=number, **(query | change)),
        )


def _build_preview(db: Session, issue: Issue) -> Preview:
    base_url = services().base_url
    edition = current_edition(db, issue, base_url)
    made = get_compiled_issue(db, issue, base_url)
    who = requested_reader(db, issue, edition)
    since = review_markers.get_review_status(db, issue, edition, g.me.id)
    return Preview(edition, made, who, find_variants(edition, made, who.topics), since)


def _test_tokens(issue: Issue) -> dict[str, str]:
    """Tokens of nobody: the pages behind them say that this is a test."""
    signer, publication = services().signer, issue.publication_id
    return {
        "unsubscribe": tokens.unsubscribe_token(signer, publication, 0),
        "preferences": tokens.preferences_token(signer, publication, 0),
    }


def _submitted_view() -> dict[str, object]:
    """The view that the form carries, so that the page looks the same afterwards."""
    names = ("as", "light", "images", "reader")
    view: dict[str, object] = {name: form_field(name) for name in names if form_field(name)}
    return view | {"topic": request.form.getlist("topic")}


def _choice(options: dict[str, str], parameter: str, default: str) -> str:
    value = request.values.get(parameter) or default
    if value not in options:
        raise NoSuchPage("There is no such view.")
    return value

"""The real mail, made for one reader: in a frame of its own, as text, and as the raw source."""

from dataclasses import dataclass
from typing import Final

from flask import Response, g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.wrappers import Response as AnyResponse

from digest.audience import tokens
from digest.db import utcnow
from digest.delivery.ledger.compiled_issue import pressed
from digest.delivery.letters import copies
from digest.editorial.drafts import review_markers
from digest.editorial.drafts.review_markers import Since
from digest.editorial.models import Issue
from digest.errors import BadInput, NotFound
from digest.render import preview as opening
from digest.render.compile import Pressed
from digest.render.content import Edition
from digest.web.desk import current_publication
from digest.web.desk.drafts import blueprint, sample, source, test_sends
from digest.web.desk.drafts.preview_audience import Eyes, eyes
from digest.web.desk.drafts.variants import Variants, edition_of, variants
from digest.web.desk.view_helpers import field, page, say, services, to, with_policy

WIDTHS: Final = {
    "phone": "Phone",
    "tablet": "Tablet",
    "desktop": "Desktop",
    "text": "Plain text",
    "source": "Source",
}
LIGHTS: Final = {"light": "Light", "dark": "Dark"}
IMAGES: Final = {"on": "With images", "off": "Images off"}

# The mail is shown as a mail client shows it: its own styles, no script, no form, only inside our pages.
FRAME_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src {images}; frame-ancestors 'self'; "
    "form-action 'none'; base-uri 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


@dataclass(frozen=True)
class _Shown:
    """The mail of this look, and all that it is made from."""

    edition: Edition
    made: Pressed
    eyes: Eyes
    found: Variants
    since: Since

    @property
    def picks(self) -> tuple[int, ...]:
        """The picks of the mail; none: all of them."""
        return self.found.asked.picks if self.eyes.picks is None else self.eyes.picks

    @property
    def changed(self) -> frozenset[int]:
        """The picks that are other ones since the last look."""
        return frozenset(block.pick_id for block in self.edition.blocks if block.slug in self.since.slugs)

    def mail(self, *, marks: bool = False) -> bytes:
        """The whole mail, with marks above what changed where that is asked for."""
        made = sample.marked(self.made, self.changed) if marks else self.made
        return sample.sample_mail(made, self.picks, to=self.eyes.to, shown=self.eyes.shown)


@blueprint.get("/issues/<int:number>/preview")
def preview(number: int) -> Response:
    """The mail in a frame, at a phone's or a desk's width, as text or as source; through anybody's eyes."""
    return with_policy(_page(number), frame_src="'self'")


@blueprint.post("/issues/<int:number>/preview")
def find_reader(number: int) -> AnyResponse | tuple[Response, int]:
    """Look through a subscriber's eyes. It is a POST so that no address stands in a URL, a log or a history."""
    with services().db.read() as db:
        try:
            reader = copies.reader_of(db, field("address"))
        except (BadInput, NotFound):
            reader = None
    if reader is None:
        body = _page(number, missing=field("address") or "nobody")
        return with_policy(body, frame_src="'self'"), 404
    return to("drafts.preview", number=number, reader=reader, **{"as": _one_of(WIDTHS, "as", "phone")})


@blueprint.post("/issues/<int:number>/looked")
def looked(number: int) -> AnyResponse:
    """Remember that this user has seen the issue as it stood when they pressed."""
    with services().db.begin() as db:
        issue = current_publication.issue(db, number)
        edition = edition_of(db, issue, services().base_url)
        review_markers.looked(db, issue, edition, g.me.id, utcnow())
    say("Noted. From now on you are told what changes.")
    return to("drafts.preview", number=number, **_kept())


@blueprint.get("/issues/<int:number>/preview/body")
def preview_body(number: int) -> Response:
    """The HTML part alone, for the frame; it may do nothing but be looked at."""
    framed = request.args.get("light") in LIGHTS
    with services().db.read() as db:
        issue = current_publication.issue(db, number)
        shown = _shown(db, issue)
        html = opening.open_mail(shown.mail(marks=framed and "marks" in request.args)).html
        if framed:
            html = sample.for_a_frame(html, shown.made, **_nobodys(issue))
            html = in_light(html, request.args["light"])
    response = Response(html, mimetype="text/html")
    images = "'none'" if request.args.get("images") == "off" else "data: https:"
    response.headers["Content-Security-Policy"] = FRAME_POLICY.format(images=images)
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@blueprint.get("/issues/<int:number>/preview/mail.eml")
def preview_source(number: int) -> Response:
    """The whole mail as it would be handed to the relay, to open in any mail program."""
    with services().db.read() as db:
        mail = _shown(db, current_publication.issue(db, number)).mail()
    response = Response(mail, mimetype="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="issue-{number}.eml"'
    return response


def in_light(html: str, light: str) -> str:
    """The same HTML as a client shows it that prefers `light` ("light" or "dark"), whatever this browser prefers."""
    on, off = ("all", "not all")
    dark = on if light == "dark" else off
    bright = on if light == "light" else off
    html = html.replace("(prefers-color-scheme: dark)", dark).replace("(prefers-color-scheme:dark)", dark)
    return html.replace("(prefers-color-scheme: light)", bright).replace(
        "(prefers-color-scheme:light)", bright
    )


def _page(number: int, missing: str = "") -> str:
    width, light = _one_of(WIDTHS, "as", "phone"), _one_of(LIGHTS, "light", "light")
    images = _one_of(IMAGES, "images", "on")
    with services().db.read() as db:
        issue = current_publication.issue(db, number)
        shown = _shown(db, issue)
        raw = shown.mail()
        mail = opening.open_mail(raw)
        query = {"as": width, "light": light, "images": images, **shown.eyes.query}
        lines, left_out = source.lines(raw) if width == "source" else ([], 0)
        return page(
            "preview.html",
            issue=issue,
            zone=issue.publication.zone,
            mail=mail,
            size=len(raw),
            html_size=len(mail.html.encode()),
            has_images="<img" in mail.html.lower(),
            verdicts=len(shown.picks) or len(shown.edition.blocks),
            found=shown.found,
            eyes=shown.eyes,
            since=shown.since,
            changed=len(shown.changed),
            marks="marks" in request.values,
            missing=missing,
            lines=lines,
            left_out=left_out,
            trials=test_sends.last(db, issue),
            width=width,
            light=light,
            images=images,
            widths=WIDTHS,
            lights=LIGHTS,
            imageries=IMAGES,
            query=query,
            look=lambda **change: url_for("desk.drafts.preview", number=number, **(query | change)),
        )


def _shown(db: Session, issue: Issue) -> _Shown:
    base_url = services().base_url
    edition = edition_of(db, issue, base_url)
    made = pressed(db, issue, base_url)
    who = eyes(db, issue, edition)
    since = review_markers.since(db, issue, edition, g.me.id)
    return _Shown(edition, made, who, variants(edition, made, who.wanted), since)


def _nobodys(issue: Issue) -> dict[str, str]:
    """The tokens of nobody, with which the pages behind them say that this was a test."""
    signer, publication = services().signer, issue.publication_id
    return {
        "leave": tokens.unsubscribe_token(signer, publication, 0),
        "choose": tokens.preferences_token(signer, publication, 0),
    }


def _kept() -> dict[str, object]:
    """What a form of the page carries along, so that one is back where one was."""
    names = ("as", "light", "images", "reader")
    found: dict[str, object] = {name: field(name) for name in names if field(name)}
    return found | {"topic": request.form.getlist("topic")}


def _one_of(names: dict[str, str], argument: str, usual: str) -> str:
    wanted = request.values.get(argument) or usual
    if wanted not in names:
        raise NoSuchPage("There is no such view of a mail.")
    return wanted

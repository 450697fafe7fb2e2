"""The real mail, made for one reader: in a frame of its own, as text, and as the raw source."""

from flask import Response, request
from werkzeug.exceptions import NotFound as NoSuchPage

from digest.render import preview as opening
from digest.web.desk import chosen
from digest.web.desk.frame import page, services, with_policy
from digest.web.desk.gate import blueprint
from digest.web.desk.sample import sample_mail
from digest.web.desk.variants import variants

WIDTHS = {"phone": "Phone", "desktop": "Desktop", "text": "Plain text"}
LIGHTS = {"light": "Light", "dark": "Dark"}

# The mail is shown as a mail client shows it: its own styles, no script, no network, no form, only inside our pages.
FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "form-action 'none'; base-uri 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


@blueprint.get("/issues/<int:number>/preview")
def preview(number: int) -> Response:
    """The mail in a frame, at a phone's or a desk's width, or as plain text; of a reader with any topics."""
    width = _one_of(WIDTHS, "as", "phone")
    light = _one_of(LIGHTS, "light", "light")
    with services().db.read() as db:
        issue = chosen.issue(db, number)
        found = variants(db, issue, services().base_url, _wanted())
        mail = sample_mail(db, issue, services().base_url, found.asked.picks or None)
        body = page(
            "preview.html",
            issue=issue,
            mail=opening.open_mail(mail),
            found=found,
            width=width,
            light=light,
            widths=WIDTHS,
            lights=LIGHTS,
        )
    return with_policy(body, frame_src="'self'")


@blueprint.get("/issues/<int:number>/preview/body")
def preview_body(number: int) -> Response:
    """The HTML part alone, for the frame; it may do nothing but be looked at."""
    html = opening.open_mail(_mail(number)).html
    if request.args.get("light") in LIGHTS:
        html = in_light(html, request.args["light"])
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@blueprint.get("/issues/<int:number>/preview/mail.eml")
def preview_source(number: int) -> Response:
    """The whole mail as it would be handed to the relay, to open in any mail program."""
    response = Response(_mail(number), mimetype="message/rfc822")
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


def _mail(number: int) -> bytes:
    with services().db.read() as db:
        issue, base_url = chosen.issue(db, number), services().base_url
        found = variants(db, issue, base_url, _wanted())
        return sample_mail(db, issue, base_url, found.asked.picks or None)


def _wanted() -> list[str]:
    """The topics of the reader who is looked through; none for one who wants everything."""
    return request.args.getlist("topic")


def _one_of(names: dict[str, str], argument: str, usual: str) -> str:
    wanted = request.args.get(argument, usual)
    if wanted not in names:
        raise NoSuchPage("There is no such view of a mail.")
    return wanted

"""Bringing comparisons in: paste or upload, look at what would be made, and press once more to make it."""

from collections.abc import Iterator
from itertools import accumulate
from pathlib import PurePath
from typing import Final

from flask import g, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from digest.catalog import outlook, uploads
from digest.catalog.uploads import Sent
from digest.db import utcnow
from digest.editorial.models import Role
from digest.errors import BadInput
from digest.web.desk import current_publication
from digest.web.desk.access.audit_log import note
from digest.web.desk.auth import needs
from digest.web.desk.catalog import blueprint
from digest.web.desk.view_helpers import complain, field, page, say, services, to

FILES_AT_ONCE: Final = 500
NAME_CHARS: Final = 120
SHOWN: Final = 100
CHARS: Final = 40_000  # of changed texts on one page; what comes behind them is only named


@blueprint.post("/comparisons")
def bring() -> Response:
    """Read what was pasted and every file that was sent, and show what would be made of it. Nothing is made yet."""
    drafts, refused = uploads.read(list(_sent()))
    if not drafts and not refused:
        raise BadInput("nothing was sent; choose files or paste a page")
    with services().db.begin() as db:
        number = uploads.propose(db, drafts, refused, user_id=g.me.id, now=utcnow())
    return to("catalog.bundle", number=number)


@blueprint.get("/comparisons/bring/<int:number>")
@needs(Role.EDITOR)
def bundle(number: int) -> str:
    """What would become of each comparison, and a line for each file that cannot be used."""
    with services().db.read() as db:
        found = uploads.proposal(db, number, g.me.id)
        first = uploads.drafts(db, number, g.me.id, SHOWN)
        looks = outlook.outlooks(db, first, found.planned[:SHOWN], utcnow())
        return page(
            "bundle.html",
            proposal=found,
            rows=list(zip(found.planned, looks, strict=False)),
            in_full=_in_full(looks),
            shown=SHOWN,
            zone=current_publication.chosen(db).zone,
        )


@blueprint.post("/comparisons/bring/<int:number>")
def make(number: int) -> Response:
    """Make all of it, or nothing: when somebody else changed the same comparisons meanwhile, it is shown anew."""
    with services().db.begin() as db:
        found = uploads.proposal(db, number, g.me.id)
        made = uploads.make(db, number, g.me.id, utcnow())
        if made:
            note(db, "make", "comparison", words=_words(found))
    if not made:
        complain(
            "Somebody changed the same comparisons meanwhile, so nothing was made. This is how it stands now."
        )
        return to("catalog.bundle", number=number)
    say(_words(found))
    if len(found.planned) == 1:
        return to("catalog.comparison", slug=found.planned[0].slug)
    return to("catalog.comparisons")


@blueprint.post("/comparisons/bring/<int:number>/drop")
def drop(number: int) -> Response:
    """Forget what was sent."""
    with services().db.begin() as db:
        uploads.drop(db, number, g.me.id)
    say("Nothing was made of it.")
    return to("catalog.comparisons")


def _in_full(looks: list[outlook.Outlook]) -> int:
    """How many of the first rows can show every changed word."""
    sizes = (sum(len(change.old) + len(change.new) for change in look.changes) for look in looks)
    return max(1, sum(total <= CHARS for total in accumulate(sizes)))


def _words(found: uploads.Proposal) -> str:
    new, changed, same = (found.count(change) for change in ("new", "changed", "unchanged"))
    parts = [
        (new, "new", "new"),
        (changed, "new version", "new versions"),
        (same, "as it was", "as they were"),
    ]
    said = [f"{many:,} {one if many == 1 else several}" for many, one, several in parts if many]
    return f"Done: {', '.join(said)}."


def _sent() -> Iterator[Sent]:
    if pasted := field("page"):
        json = pasted[:1] in "[{"
        yield Sent("pasted.json" if json else "pasted.txt", pasted.encode(), json)
    files = [file for file in request.files.getlist("files") if file.filename]
    if len(files) > FILES_AT_ONCE:
        raise RequestEntityTooLarge(
            f"Send at most {FILES_AT_ONCE} files at once, or import the folder on the command line."
        )
    for file in files:
        name = PurePath(str(file.filename).replace("\\", "/")).name[-NAME_CHARS:] or "page.txt"
        yield Sent(name, file.read(), name.lower().endswith(".json"))

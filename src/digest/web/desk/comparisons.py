"""The catalog from the desk: browse, look, and bring in pages."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from flask import request
from sqlalchemy import select
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from digest.catalog import importing, read
from digest.catalog.models import Comparison
from digest.db import utcnow
from digest.editorial.models import Issue, Pick
from digest.web.desk import chosen
from digest.web.desk.frame import field, page, services
from digest.web.desk.gate import blueprint
from digest.web.guards import whole

AT_ONCE = 25
FILES_AT_ONCE = 500


@blueprint.get("/comparisons")
def comparisons() -> str:
    """All of them, the newest first, or those that a search finds."""
    query = request.args.get("q", "").strip()
    start = request.args.get("from", 0, type=whole)
    with services().db.read() as db:
        views = read.search(db, query) if query else read.newest(db, AT_ONCE + 1, start)
        return page(
            "comparisons.html",
            views=views[:AT_ONCE] if not query else views,
            total=read.count(db),
            query=query,
            start=start,
            step=AT_ONCE,
            more=not query and len(views) > AT_ONCE,
            zone=chosen.chosen(db).zone,
            results=None,
        )


@blueprint.get("/comparisons/<slug>")
def comparison(slug: str) -> str:
    """One comparison as it stands, where it comes from, and the issues that held it."""
    with services().db.read() as db:
        view = read.by_slug(db, slug)
        held = select(Issue).join(Pick).where(Pick.comparison_id == view.id).order_by(Issue.number)
        return page(
            "comparison.html",
            view=view,
            held=db.scalars(held).all(),
            changes=db.get_one(Comparison, view.id).versions,
            zone=chosen.chosen(db).zone,
        )


@blueprint.post("/comparisons")
def bring() -> tuple[str, int] | Response:
    """Import what was pasted and every file that was sent; a line tells what became of each."""
    with tempfile.TemporaryDirectory(prefix="digest-") as folder:
        paths = list(_written(Path(folder)))
        with services().db.begin() as db:
            result = importing.import_files(db, paths, utcnow())
    with services().db.read() as db:
        zone, total = chosen.chosen(db).zone, read.count(db)
        views = read.newest(db, AT_ONCE)
    facts = {"query": "", "start": 0, "step": AT_ONCE, "more": total > AT_ONCE, "zone": zone, "total": total}
    return page("comparisons.html", views=views, results=result, **facts), 200 if result.imported else 400


def _written(folder: Path) -> Iterator[Path]:
    """What came with the form as files: an importer reads files, and so a bad one names itself."""
    if pasted := field("page"):
        kind = "json" if pasted[:1] in "[{" else "txt"
        yield _put(folder / "pasted", f"pasted.{kind}", pasted.encode())
    files = [file for file in request.files.getlist("files") if file.filename]
    if len(files) > FILES_AT_ONCE:
        raise RequestEntityTooLarge(
            f"Send at most {FILES_AT_ONCE} files at once, or import the folder on the command line."
        )
    for place, file in enumerate(files):
        # A folder of its own for each: two files may bear the same name.
        yield _put(folder / str(place), Path(str(file.filename)).name.lstrip(".") or "page.txt", file.read())


def _put(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir()
    path = folder / name[-50:].replace("\0", "")  # characters, of up to four bytes: a file name holds 255
    path.write_bytes(data)
    return path

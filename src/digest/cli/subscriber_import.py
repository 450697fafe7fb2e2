"""`digest subscribers import`: a file, chunk by chunk, with progress on a terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from digest.db import utcnow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.audience.arrivals import Terms
    from digest.audience.importing import Result
    from digest.audience.upload import Chunk
    from digest.services import Services


def import_file(
    services: "Services",
    file: Path,
    slug: str | None,
    ground: tuple[str, bool, bool],
    names: tuple[str | None, str | None],
) -> "Result":
    """Import a file chunk by chunk, each in a transaction of its own.

    `ground` is source, confirmed, invite; `names` the columns of address and status when they were named.
    """
    from digest.audience import importing, upload
    from digest.audience.arrivals import Terms
    from digest.cli.audit import record
    from digest.publications.publications import find

    source, confirmed, invite = ground
    with services.db.read() as session:
        publication_id = find(session, slug).id
    sheet, chunks = upload.read(file, address=names[0], standing=names[1])
    evidence = upload.evidence(sheet, "the operator", source)
    terms = Terms(publication_id, utcnow(), source, evidence, confirmed, invite)
    total = importing.Result()
    for chunk in _with_progress(chunks, sheet.lines):
        with services.db.begin() as session:
            done = importing.import_chunk(session, services.signer, chunk, terms)
            _invite(session, done.invited, terms)
        total.add(done)
    with services.db.begin() as session:
        record(session, "import", "subscriber", None, f"{total.added:,} new, {total.known:,} known")
    if total.invited:
        services.enqueue_soon("letters")
    return total


def _invite(session: "Session", subscriber_ids: list[int], terms: "Terms") -> None:
    if not subscriber_ids:
        return
    from digest.delivery.letters import delivery

    for subscriber_id in subscriber_ids:
        delivery.enqueue_letter(
            session,
            "confirm",
            now=terms.now,
            publication_id=terms.publication_id,
            subscriber_id=subscriber_id,
        )


def _with_progress(chunks: Iterator["Chunk"], lines: int) -> Iterator["Chunk"]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Importing", total=lines or None)
        for chunk in chunks:
            yield chunk
            progress.advance(bar, chunk.read)

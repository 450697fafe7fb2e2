"""`digest subscribers undo-import`: undoes an import in blocks, each in its own transaction."""

from typing import TYPE_CHECKING

from digest.db import utcnow

if TYPE_CHECKING:
    from digest.audience.importing.undo import UndoResult
    from digest.services import Services


def undo(services: "Services", slug: str | None, import_id: int) -> "UndoResult":
    """Undo an import. An interrupted undo can simply be repeated."""
    from digest.audience.importing import undo as steps
    from digest.cli.audit import record
    from digest.delivery.ledger.subject_access import mailed_subscriber_ids
    from digest.publications.publications import find

    total, last, now = steps.UndoResult(), 0, utcnow()
    with services.db.begin() as session:
        steps.begin(session, services.signer, find(session, slug).id, import_id, now)
    while True:
        with services.db.begin() as session:
            last, done = steps.undo_block(
                session, services.signer, import_id, after=last, mailed=mailed_subscriber_ids(), now=now
            )
            total.add(done)
            if last == 0:
                steps.finish(session, import_id, total)
                words = f"import {import_id}: {total.removed:,} removed, {total.kept:,} kept"
                record(session, "undo import", "subscriber", None, words)
                return total

"""Whether a database was set back to before what this home sent from it: by seconds is enough to mail readers twice."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch, Letter
from digest.installation.progress_memory import Kind, Progress, recall_progress


def is_set_back(session: Session, home: Path, identity: str) -> bool:
    """Whether the home remembers that a batch or letter was claimed more often, or sent further, than is stored.

    Rows that are not there say nothing: retention deletes them. Nor does the place of a batch that nobody holds: it was
    released, and possibly further back.
    """
    noted = recall_progress(home, identity)
    return _is_batch_behind(session, [one for one in noted if one.kind is Kind.BATCH]) or _is_letter_behind(
        session, [one for one in noted if one.kind is Kind.LETTER]
    )


def _is_batch_behind(session: Session, noted: Iterable[Progress]) -> bool:
    known = {one.number: one for one in noted}
    if not known:
        return False
    rows = select(Batch.id, Batch.fence, Batch.started_upto, Batch.holder).where(Batch.id.in_(known))
    return any(
        row.fence < known[row.id].claims
        or (
            row.fence == known[row.id].claims
            and row.holder is not None
            and row.started_upto < known[row.id].upto
        )
        for row in session.execute(rows)
    )


def _is_letter_behind(session: Session, noted: Iterable[Progress]) -> bool:
    known = {one.number: one for one in noted}
    if not known:
        return False
    rows = select(Letter.id, Letter.attempts).where(Letter.id.in_(known))
    return any(row.attempts < known[row.id].claims for row in session.execute(rows))

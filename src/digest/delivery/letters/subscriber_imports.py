"""Imports of subscribers from uploaded files, with the confirmation letters that they send."""

import json
import logging
from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from digest.audience.importing import undo, uploads
from digest.audience.importing.store import ImportTerms
from digest.audience.importing.tag_topics import resolve
from digest.audience.models import SubscriberUpload
from digest.catalog import topics
from digest.db import Database, utcnow
from digest.delivery.ledger.subject_access import mailed_subscriber_ids
from digest.delivery.letters import outbox
from digest.errors import DigestError
from digest.signing import Signer

LOG = logging.getLogger(__name__)

RunInSteps = Callable[[Callable[[Session], bool]], bool]


def run_due_imports(db: Database, signer: Signer, run_in_steps: RunInSteps) -> None:
    """Import uploaded files, and undo imports, for as long as `run_in_steps` allows; another run continues."""
    with db.read() as session:
        due, undone = uploads.list_due(session), undo.list_unfinished(session)
    for upload_id in due:
        _import_upload(db, signer, upload_id, run_in_steps)
    for import_id in undone:
        undo_import(signer, import_id, run_in_steps)


def undo_import(signer: Signer, import_id: int, run_in_steps: RunInSteps) -> bool:
    """Continue undoing an import; True when that is complete."""
    mailed = mailed_subscriber_ids()
    return run_in_steps(
        lambda session: undo.undo_block(session, signer, import_id, mailed=mailed, now=utcnow())
    )


def send_invitations(session: Session, subscriber_ids: Sequence[int], terms: ImportTerms) -> None:
    """Send imported subscribers a confirmation letter."""
    for subscriber_id in subscriber_ids:
        outbox.enqueue_letter(
            session,
            "confirm",
            now=terms.now,
            publication_id=terms.publication_id,
            subscriber_id=subscriber_id,
            facts={"imported_from": terms.source},
        )


def _import_upload(db: Database, signer: Signer, upload_id: int, run_in_steps: RunInSteps) -> None:
    """Import an upload for a while; what stops it for good is shown at the desk."""
    with db.read() as session:
        upload = session.get_one(SubscriberUpload, upload_id)
        offered = topics.list_topics(session)
        session.expunge(upload)
    try:
        mapping = resolve(json.loads(upload.tag_topics), offered)
        with uploads.opened(upload) as file:
            run = uploads.UploadImport(signer, upload, file, send_invitations)
            run_in_steps(lambda session: run.step(session, utcnow(), mapping))
    except DigestError as error:
        LOG.warning("import stopped", extra={"upload": upload_id, "error": str(error)})
        with db.begin() as session:
            uploads.finish(session.get_one(SubscriberUpload, upload_id), utcnow(), str(error))

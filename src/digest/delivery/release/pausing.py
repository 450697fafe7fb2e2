"""What becomes of an issue that cannot be frozen or counted: it is paused, and other issues go on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from digest.db import Database, utcnow
from digest.delivery.release.refusals import pause_unsendable
from digest.editorial.models import State
from digest.errors import DigestError, OtherVersion

LOG = logging.getLogger(__name__)


@contextmanager
def pausing_on_failure(db: Database, issue_id: int, previous_state: State) -> Iterator[None]:
    """Pause an issue that cannot be sent and notify the editors, instead of retrying every five seconds.

    Other issues are not held up. Opens a transaction of its own, because that of the block has failed.
    """
    try:
        yield
    except (OperationalError, InterfaceError, NoConnection, OtherVersion):  # not the issue's fault
        raise
    except Exception as error:  # any other error concerns this issue only
        if isinstance(error, DBAPIError) and error.connection_invalidated:  # the database ended our session
            raise
        is_expected = isinstance(error, (DigestError, ValueError, LookupError))
        unexpected = f"unexpected error ({type(error).__name__}); see the server log"
        reason = str(error) if is_expected else unexpected
        LOG.warning(
            "issue cannot be sent", extra={"issue": issue_id, "error": reason}, exc_info=not is_expected
        )
        with db.begin() as session:
            pause_unsendable(session, issue_id, previous_state, reason, utcnow())

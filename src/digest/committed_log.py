"""Events of a transaction are logged when it is committed: what was rolled back did not happen.

On a full disk a task would otherwise log the same event with every attempt, and nothing of it would be in the database.
"""

import logging
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

_PENDING: Final = "events to log"


def log_when_committed(
    session: Session, logger: logging.Logger, level: int, message: str, **fields: Any
) -> None:
    """Log an event with its fields once the session's transaction is committed, and never if it is rolled back."""
    if _PENDING not in session.info:
        session.info[_PENDING] = []
        event.listen(session, "after_commit", _log)
        event.listen(session, "after_soft_rollback", _discard)
    session.info[_PENDING].append((logger, level, message, fields))


def _log(session: Session) -> None:
    if session.in_nested_transaction():  # a savepoint, whose transaction may still be rolled back
        return
    events, session.info[_PENDING] = session.info[_PENDING], []
    for logger, level, message, fields in events:
        logger.log(level, message, extra=fields)


def _discard(session: Session, ended: SessionTransaction) -> None:
    if not ended.nested:
        session.info[_PENDING] = []

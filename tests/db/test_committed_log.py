"""An event is logged once its transaction is committed, and never when it is rolled back."""

import logging

import pytest
from sqlalchemy import text

from digest.committed_log import log_when_committed
from digest.db import Database

LOG = logging.getLogger(__name__)


def test_what_is_rolled_back_is_not_logged(sqlite: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def names() -> list[str]:
        return [f"{record.getMessage()} {vars(record)['issue']}" for record in caplog.records]

    with sqlite.begin() as session:
        with session.begin_nested():
            log_when_committed(session, LOG, logging.INFO, "issue paused", issue=1)
        log_when_committed(session, LOG, logging.WARNING, "issue resumed", issue=1)
        assert names() == []
    assert names() == ["issue paused 1", "issue resumed 1"]
    with pytest.raises(OSError, match="disk is full"), sqlite.begin() as session:
        log_when_committed(session, LOG, logging.INFO, "issue paused", issue=2)
        raise OSError("the disk is full")
    with sqlite._write() as session:
        session.execute(text("SELECT 1"))
        log_when_committed(session, LOG, logging.INFO, "issue paused", issue=3)
        session.rollback()
        log_when_committed(session, LOG, logging.INFO, "issue paused", issue=4)
        session.commit()
        session.commit()
    assert names()[2:] == ["issue paused 4"]

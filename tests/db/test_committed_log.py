"""An event is logged once its transaction is committed, and never when it is rolled back."""

import ast
import logging
from pathlib import Path

import pytest
from sqlalchemy import text

from digest.committed_log import log_when_committed
from digest.db import Database

SOURCE = Path(__file__).parents[2] / "src" / "digest"
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


def test_no_room_logs_what_may_still_be_rolled_back() -> None:
    facts = {
        "relay refused, backing off",
        "partition in use, dropped later",
    }  # true whatever becomes of the transaction
    found = []
    for path, source in ((path, path.read_text()) for path in sorted(SOURCE.rglob("*.py"))):
        for function in ast.walk(ast.parse(source)) if "LOG." in source else ():
            if not isinstance(function, ast.FunctionDef) or "session" not in {
                argument.arg for argument in function.args.args
            }:
                continue
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("LOG."):
                    found += [(path.name, word) for word in {ast.unparse(call.args[0]).strip("'")} - facts]
    assert found == []

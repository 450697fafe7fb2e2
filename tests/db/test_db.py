"""The database tool keeps its promises on both kinds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from digest.catalog.models import Comparison
from digest.db import Database, connect
from digest.errors import BadSetting


def test_a_time_comes_back_as_it_was_in_utc(db: Database) -> None:
    berlin = timezone(timedelta(hours=1))
    with db.begin() as session:
        session.add(Comparison(slug="a-vs-b", added_at=datetime(2026, 3, 1, 10, 0, tzinfo=berlin)))
    with db.read() as session:
        assert session.scalars(select(Comparison.added_at)).one() == datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def test_a_block_that_raises_leaves_nothing_behind(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.begin() as session:
        session.add(Comparison(slug="a-vs-b", added_at=datetime(2026, 3, 1, tzinfo=UTC)))
        session.flush()
        raise ZeroDivisionError
    with db.read() as session:
        assert session.scalars(select(Comparison)).all() == []


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name", "sqlite"])
def test_a_bad_url_is_one_line_that_names_the_setting(url: str) -> None:
    with pytest.raises(BadSetting, match="DIGEST_DATABASE_URL") as caught:
        connect(url)
    assert "\n" not in str(caught.value)


def test_postgresql_soon_frees_the_locks_of_a_process_that_is_gone_or_stopped(postgres: Database) -> None:
    """By itself, the server keeps the locks of a machine without power for two hours."""
    by_session = text("SELECT name FROM pg_settings WHERE source = 'session' AND name LIKE 'tcp%'")
    with postgres.read() as session:
        assert {"tcp_keepalives_idle", "tcp_user_timeout"} <= set(session.scalars(by_session))
        assert session.scalar(text("SHOW idle_in_transaction_session_timeout")) == "5min"
    with postgres.begin() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(1)"))
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 20"))
        with postgres.begin() as another:  # waits for the one that does nothing any more
            another.execute(text("SELECT pg_advisory_xact_lock(1)"))
        with pytest.raises(DBAPIError, match="idle-in-transaction") as caught:
            session.execute(text("SELECT 1"))
        assert caught.value.connection_invalidated
        session.rollback()


def test_each_statement_sees_what_was_committed_before_it(postgres: Database) -> None:
    """Whatever is usual in an operator's database: claims, and locks of an upgrade, depend on it."""
    with postgres.begin() as session:
        name = session.scalar(text("SELECT current_database()"))
        usual = "default_transaction_isolation = 'repeatable read'"
        session.execute(text(f'ALTER DATABASE "{name}" SET {usual}'))
    other = connect(postgres.engine.url.render_as_string(hide_password=False))
    with other.read() as session:
        assert session.scalar(text("SHOW transaction_isolation")) == "read committed"
    other.close()
    with postgres.begin() as session:
        session.execute(text(f'ALTER DATABASE "{name}" RESET default_transaction_isolation'))

"""The database tool keeps its promises on both kinds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

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

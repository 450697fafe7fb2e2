"""A stand with one publication, six comparisons and one issue that was sent."""

from pathlib import Path

import pytest
from tests.web.newsstand import Stand, compare, publish, send, stand

from digest.db import Database


@pytest.fixture
def shop(db: Database, tmp_path: Path) -> Stand:
    return fill(stand(db, tmp_path))


def fill(made: Stand) -> Stand:
    with made.db.begin() as session:
        publication_id = publish(session)
        versions = [
            compare(session, first, second, days_ago=days)
            for days, (first, second) in enumerate(((0, 3), (1, 2), (4, 5), (2, 5)))
        ]
        send(session, publication_id, versions)
    return made

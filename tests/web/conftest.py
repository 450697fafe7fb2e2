"""A stand with one publication, six comparisons and one issue that was sent."""

from pathlib import Path

import pytest
from tests.snapshots import create_once
from tests.web.factories import Site, create_comparison, create_publication, create_sent_issue, make_site

from digest.db import Database


@pytest.fixture
def shop(db: Database, tmp_path: Path) -> Site:
    return fill(make_site(db, tmp_path))


def fill(made: Site) -> Site:
    create_once(made.db, "a sent issue", lambda: create(made.db))
    return made


def create(db: Database) -> None:
    with db.begin() as session:
        publication_id = create_publication(session)
        versions = [
            create_comparison(session, first, second, days_ago=days)
            for days, (first, second) in enumerate(((0, 3), (1, 2), (4, 5), (2, 5)))
        ]
        create_sent_issue(session, publication_id, versions)

"""A desk with the draft of issue 1."""

from pathlib import Path

import pytest
from tests.web.desk.clients import make_desk
from tests.web.factories import Site

from digest.db import Database


@pytest.fixture
def desk(db: Database, tmp_path: Path) -> Site:
    return make_desk(db, tmp_path)

"""A newsroom with the draft of issue 1."""

from pathlib import Path

import pytest
from tests.web.desk.desk import newsroom
from tests.web.newsstand import Stand

from digest.db import Database


@pytest.fixture
def room(db: Database, tmp_path: Path) -> Stand:
    return newsroom(db, tmp_path)

"""A desk with the draft of issue 1."""

from pathlib import Path
from zlib import crc32

import pytest
from tests.web.desk.clients import make_desk
from tests.web.factories import Site


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """On one of the two databases, always the same one for a test.

    The rooms under the desk are tested on both, and so is every page, in test_every_page.py.
    """
    database = ("sqlite", "postgres")[crc32(request.node.originalname.encode()) % 2]
    return make_desk(request.getfixturevalue(database), tmp_path)

"""A file to import."""

from pathlib import Path

import pytest
from tests.audience.import_files import Write


@pytest.fixture
def file(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "readers.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write

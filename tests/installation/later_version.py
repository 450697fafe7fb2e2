"""A program of a later version, which has one more migration."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from digest import schema
from digest.installation import upgrading

NEXT_REVISION = "fedcba987654"
_NEXT = '''"""{what}"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
{steps}
'''


def write_migrations(folder: Path, what: str, *steps: str) -> Path:
    """Ours, and one that does these `steps`; returns the folder."""
    shutil.copytree(schema.migrations_dir(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    body = "\n".join(f"    {line}" for line in steps)
    script = _NEXT.format(what=what, revision=NEXT_REVISION, before=schema.latest_revision(), steps=body)
    (folder / "versions" / "2030_01_01_next.py").write_text(script)
    return folder


@contextmanager
def of_version(number: str, folder: Path) -> Iterator[None]:
    """What follows is done by a program of this version, which has these migrations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "migrations_dir", lambda: folder)
        for module in (schema, upgrading):
            patch.setattr(module, "version", lambda _: number)
        yield

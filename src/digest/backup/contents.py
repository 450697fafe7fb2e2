"""What a backup says of itself: its first file says what follows, its last what it must add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

from digest.backup.rows import Column, Kind, TableLayout
from digest.errors import BadInput

FORMAT: Final = 1


@dataclass(frozen=True)
class Contents:
    """The first file of a backup."""

    created_at: datetime
    version: str  # of digest
    revision: str  # of the database's schema
    database: str  # sqlite or postgresql: either can be restored to either
    tables: Sequence[TableLayout]
    has_keys: bool  # False: they were set by DIGEST_SECRET_KEYS, and have to be set again

    def to_json(self) -> dict[str, object]:
        """As stored."""
        return {**asdict(self), "format": FORMAT, "created_at": self.created_at.isoformat()}

    @classmethod
    def from_json(cls, stored: Any) -> Self:
        """From what is stored. Raises BadInput when it is of a later version, or no backup at all."""
        if not isinstance(stored, Mapping) or not isinstance(stored.get("format"), int):
            raise BadInput("it is not a backup of digest")
        if stored["format"] > FORMAT:
            raise BadInput(f"it was made by digest {stored.get('version')}, which is newer; upgrade first")
        try:
            return cls(
                datetime.fromisoformat(stored["created_at"]),
                str(stored["version"]),
                str(stored["revision"]),
                str(stored["database"]),
                [_layout(table) for table in stored["tables"]],
                bool(stored["has_keys"]),
            )
        except (KeyError, TypeError, ValueError):
            raise BadInput("its list of contents is damaged") from None


@dataclass(frozen=True)
class BackupSummary:
    """What was written or restored."""

    created_at: datetime
    rows: Mapping[str, int]  # by table
    bytes: int  # size of the file

    @property
    def total_rows(self) -> int:
        """The rows of all tables."""
        return sum(self.rows.values())


def _layout(stored: Mapping[str, Any]) -> TableLayout:
    columns = tuple(Column(str(column["name"]), Kind(column["kind"])) for column in stored["columns"])
    return TableLayout(str(stored["name"]), columns)

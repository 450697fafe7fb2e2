"""What a home remembers of the batches and letters that it sent last, so that it notices a database that was set back.

Written after each commit, and without waiting for the disk: a home may know less than the database, never more. How
often a batch or letter was claimed only grows, and so does the place up to which a claimed batch was sent.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

NAME: Final = "progress"
SLOTS: Final = 128  # of each kind; a number has one place, which the next with that place takes over
_HEADER_BYTES: Final = 64  # the identity
_RECORD: Final = struct.Struct("<QIIQQ")  # the checksum is over the others


class Kind(IntEnum):
    """What is remembered."""

    BATCH = 0
    LETTER = 1


class Progress(NamedTuple):
    """How far one of them was at least."""

    kind: Kind
    number: int
    claims: int  # how often it was claimed
    upto: int = 0


class ProgressMemory:
    """The file of a home, open for writing. On a full disk it remembers less, which stops nobody."""

    def __init__(self, home: Path, identity: str) -> None:
        """Begin anew when what is remembered is of another installation."""
        self._file = -1
        header = identity.encode().ljust(_HEADER_BYTES)
        with suppress(OSError):
            self._file = os.open(home / NAME, os.O_RDWR | os.O_CREAT, 0o600)
            if os.pread(self._file, _HEADER_BYTES, 0) != header:
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, header, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def note(self, progress: Progress) -> None:
        """Remember what is committed."""
        kind, number, claims, upto = progress
        place = _HEADER_BYTES + (kind * SLOTS + number % SLOTS) * _RECORD.size
        checksum = zlib.crc32(repr(tuple(map(int, progress))).encode())
        with suppress(OSError):
            os.pwrite(self._file, _RECORD.pack(number, checksum, kind, claims, upto), place)


def recall_progress(home: Path, identity: str) -> list[Progress]:
    """What the home remembers of this installation; nothing if it is a new one, or when its file is damaged."""
    try:
        stored = (home / NAME).read_bytes()
    except OSError:
        return []
    if stored[:_HEADER_BYTES] != identity.encode().ljust(_HEADER_BYTES):
        return []
    return list(_read_records(stored[_HEADER_BYTES:]))


def _read_records(stored: bytes) -> Iterator[Progress]:
    whole = len(stored) - len(stored) % _RECORD.size
    for number, checksum, kind, claims, upto in _RECORD.iter_unpack(stored[:whole]):
        if checksum == zlib.crc32(repr((kind, number, claims, upto)).encode()) and kind in set(Kind):
            yield Progress(Kind(kind), number, claims, upto)

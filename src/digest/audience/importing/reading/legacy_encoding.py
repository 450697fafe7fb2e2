"""Telling apart the encodings of files that are not Unicode: Windows-1252, Mac OS Roman, and others, not read."""

import re
from typing import Final

WINDOWS, MAC = "cp1252", "mac_roman"
MAX_SAMPLE: Final = 1 << 18  # octets of words with letters outside ASCII
MAX_SHARE: Final = 0.45  # of such letters in Western words; Greek, Cyrillic and Japanese consist of them
_ASCII: Final = bytes(range(0x80))
_WORD: Final = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
# Octets beside a letter that are letters in one encoding, and signs or rare letters in the other.
_MAC_LETTER: Final = re.compile(
    rb"(?<=[A-Za-z])[\x80-\x91\x93-\x9f](?=[a-z])|(?<=[a-z])[\x87-\x8a\x8c-\x90\x9a\x9c-\x9f](?![a-z])"
)
_WINDOWS_LETTER: Final = re.compile(rb"(?<=[A-Za-z])[\xc0-\xd4\xd6-\xff]|[\xc0-\xd4\xd6-\xff](?=[a-z])")
# Four letters outside ASCII in a row, or octets that Windows-1252 does not define: Cyrillic, Greek, Japanese, Chinese.
_RUN: Final = re.compile(rb"[\xa1-\xff]{4}")
_UNDEFINED: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


class LegacyText:
    """What the blocks of such a file look like."""

    def __init__(self) -> None:
        self._sample = bytearray()
        self._has_run = self._has_undefined = False

    def add(self, block: bytes) -> None:
        """Look at a block of the file."""
        self._has_run = self._has_run or bool(_RUN.search(block))
        self._has_undefined = self._has_undefined or bool(_UNDEFINED.search(block))
        if len(self._sample) < MAX_SAMPLE:
            self._sample += b" ".join(_WORD.findall(block))[:MAX_SAMPLE] + b" "

    @property
    def encoding(self) -> str:
        """The likelier of the two encodings that are read."""
        windows, mac = len(_WINDOWS_LETTER.findall(self._sample)), len(_MAC_LETTER.findall(self._sample))
        return MAC if mac > windows and self._is_western() else WINDOWS

    @property
    def is_misread(self) -> bool:
        """Whether it is neither of them."""
        return self._has_run or (self._has_undefined and self.encoding == WINDOWS)

    def _is_western(self) -> bool:
        letters = len(self._sample) - self._sample.count(b" ")
        return len(self._sample.translate(None, _ASCII)) <= MAX_SHARE * letters

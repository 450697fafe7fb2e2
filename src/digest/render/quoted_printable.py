"""Quoted-printable (RFC 2045, 6.7) with slots: lines of at most 76 characters whatever is put into a slot."""

import binascii
import re

from digest.render.slots import Piece

MAX_LINE = 76
SOFT = b"=\r\n"
_LINE_START_DOT = re.compile(rb"^\.", re.MULTILINE)
_SPECIAL = re.compile(rb"[^\t -<>-~]")


def encode(parts: list[str | int]) -> Piece:
    """Text and slots as they are sent. Ends inside a line when the text does.

    A slot stands on a line of its own, between soft breaks. No line starts with a dot, so that nothing ever needs
    dot-stuffing (RFC 5321, 4.5.2), or with "From ", which mailbox files escape.
    """
    writer = _Writer()
    for part in parts:
        if isinstance(part, int):
            writer.slot(part)
        else:
            writer.text(part)
    return writer.finish()


def end_line(piece: Piece) -> Piece:
    """The piece up to a line's end, with a soft break where it has none, so that any other may follow it."""
    last = piece[-1]
    return piece if isinstance(last, bytes) and last.endswith(b"\r\n") else (*piece, SOFT)


def encode_value(text: str) -> bytes:
    """A short text as the content of a slot, encoded by the same rules."""
    coded = binascii.b2a_qp(text.encode(), quotetabs=True, istext=False)
    if b"\n" in coded or coded.startswith(b"."):
        return _LINE_START_DOT.sub(b"=2E", coded.replace(b"=\n", SOFT))
    return coded


class _Writer:
    def __init__(self) -> None:
        self.done: list[bytes | int] = []
        self.line = bytearray()  # the physical line so far
        self.static = bytearray()
        self.after_slot = False

    def text(self, text: str) -> None:
        first, *others = text.replace("\r\n", "\n").split("\n")
        self._words(first, ends=bool(others))
        for place, line in enumerate(others, 1):
            self._hard()
            self._words(line, ends=place < len(others))

    def slot(self, number: int) -> None:
        if self.line or self.after_slot:
            self._soft()
        self.done += [bytes(self.static), number]
        self.static = bytearray()
        self.after_slot = True

    def finish(self) -> Piece:
        self.static += self.line
        return (*self.done, bytes(self.static))

    def _words(self, line: str, *, ends: bool) -> None:
        data = line.encode()
        if data and self.after_slot:
            self._soft()
        coded = _SPECIAL.sub(lambda found: b"=%02X" % found[0][0], data)
        if ends and data.endswith((b" ", b"\t")):
            coded = coded[:-1] + b"=%02X" % data[-1]
        place = 0
        while place < len(coded):
            place = self._fill(coded, place)

    def _fill(self, coded: bytes, place: int) -> int:
        """Write what fits on this line from `place` on, and a soft break if more follows; returns where to go on."""
        if not self.line and coded[place] in b".F":
            self.line += b"=%02X" % coded[place]
            return place + 1
        end = place + MAX_LINE - 1 - len(self.line)
        if end < len(coded):
            # An escape of three characters is not broken.
            begun = coded.rfind(b"=", max(place, end - 2), end)
            end = end if begun < 0 else begun
        self.line += coded[place:end]
        if end < len(coded):
            self._soft()
        return end

    def _soft(self) -> None:
        self.static += self.line + SOFT
        self.line, self.after_slot = bytearray(), False

    def _hard(self) -> None:
        self.static += self.line + b"\r\n"
        self.line, self.after_slot = bytearray(), False

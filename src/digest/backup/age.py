"""Encryption with a passphrase, in the age format, so that the `age` program can open a backup too.

Source: age-encryption.org/v1. The payload is a series of sealed chunks, of which the last is marked as the last: a file
that was cut, or of which one byte was changed, does not open.
"""

import base64
import hashlib
import hmac
import io
import re
import secrets
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from digest.errors import BadInput

MAGIC: Final = b"age-encryption.org/v1\n"
CHUNK_BYTES: Final = 64 * 1024
TAG_BYTES: Final = 16
WORK_FACTOR: Final = 17  # of scrypt, as a power of two: half a second and 128 MB for each guess
MAX_WORK_FACTOR: Final = 20  # more is an attempt to make us use up the memory
_HEADER = re.compile(
    rb"age-encryption\.org/v1\n-> scrypt ([A-Za-z0-9+/]{22}) (\d{1,2})\n([A-Za-z0-9+/]{43})\n--- ([A-Za-z0-9+/]{43})\n"
)
_HEADER_LINES: Final = 4
_MAX_HEADER_LINE: Final = 200


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object: ...


class Source(Protocol):
    """Where bytes come from; fewer than asked for means that there are no more."""

    def read(self, size: int, /) -> bytes: ...


class EncryptingWriter(io.RawIOBase):
    """Encrypts what is written to it; `close` seals the last chunk and leaves the sink open."""

    def __init__(self, sink: Sink, passphrase: str, work_factor: int | None = None) -> None:
        self._sink, self._buffer = sink, bytearray()
        header, payload_key = _create_header(passphrase, work_factor or WORK_FACTOR)
        nonce = secrets.token_bytes(16)
        self._chunks = _ChunkCipher(_derive(payload_key, nonce, b"payload"))
        sink.write(header + nonce)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # only bytes are written here
        self._buffer += data
        # A full chunk stays until more comes: the last one is marked.
        while len(self._buffer) > CHUNK_BYTES:
            self._sink.write(self._chunks.seal(bytes(self._buffer[:CHUNK_BYTES]), is_last=False))
            del self._buffer[:CHUNK_BYTES]
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._sink.write(self._chunks.seal(bytes(self._buffer), is_last=True))
        super().close()


class DecryptingReader(io.RawIOBase):
    """Decrypts what `source` holds. Raises BadInput for a wrong passphrase, and for a file that is damaged or cut."""

    def __init__(self, source: Source, passphrase: str) -> None:
        self._source, self._plain, self._ended = source, memoryview(b""), False
        payload_key = _open_header(source, passphrase)
        self._chunks = _ChunkCipher(_derive(payload_key, source.read(16), b"payload"))
        self._next = source.read(CHUNK_BYTES + TAG_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # always a memoryview here
        while not self._plain and not self._ended:
            self._plain = memoryview(self._open_next())
        size = min(len(buffer), len(self._plain))
        buffer[:size] = self._plain[:size]
        self._plain = self._plain[size:]
        return size

    def _open_next(self) -> bytes:
        sealed, self._next = self._next, self._source.read(CHUNK_BYTES + TAG_BYTES)
        self._ended = not self._next
        return self._chunks.open(sealed, is_last=self._ended)


class _ChunkCipher:
    """The STREAM construction: a nonce of 11 bytes of counter and one that says whether this chunk is the last."""

    def __init__(self, key: bytes) -> None:
        self._cipher, self._counter = ChaCha20Poly1305(key), 0

    def seal(self, plain: bytes, *, is_last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(is_last=is_last), plain, None)

    def open(self, sealed: bytes, *, is_last: bool) -> bytes:
        try:
            return self._cipher.decrypt(self._nonce(is_last=is_last), sealed, None)
        except InvalidTag:
            raise BadInput("it is cut off or was changed") from None

    def _nonce(self, *, is_last: bool) -> bytes:
        nonce = self._counter.to_bytes(11, "big") + bytes([is_last])
        self._counter += 1
        return nonce


def is_encrypted(start: bytes) -> bool:
    """Whether a file that begins with these bytes is encrypted."""
    return start.startswith(MAGIC[: len(start)]) and bool(start)


def _create_header(passphrase: str, work_factor: int) -> tuple[bytes, bytes]:
    """The header, which holds the file key sealed with the passphrase, and the file key."""
    file_key, salt = secrets.token_bytes(16), secrets.token_bytes(16)
    sealed = ChaCha20Poly1305(_stretch(passphrase, salt, work_factor)).encrypt(bytes(12), file_key, None)
    lines = MAGIC + b"-> scrypt %s %d\n%s\n---" % (_encode(salt), work_factor, _encode(sealed))
    return lines + b" " + _encode(_mac(file_key, lines)) + b"\n", file_key


def _open_header(source: Source, passphrase: str) -> bytes:
    """The file key. Raises BadInput."""
    header = b"".join(_read_line(source) for _ in range(_HEADER_LINES))
    match = _HEADER.fullmatch(header)
    if not match or int(match[2]) > MAX_WORK_FACTOR:
        raise BadInput("it is not encrypted with a passphrase in the age format, or its beginning is damaged")
    salt, sealed, mac = (_decode(match[number]) for number in (1, 3, 4))
    try:
        file_key = ChaCha20Poly1305(_stretch(passphrase, salt, int(match[2]))).decrypt(
            bytes(12), sealed, None
        )
    except InvalidTag:
        raise BadInput("the passphrase is wrong") from None
    if not hmac.compare_digest(mac, _mac(file_key, header[: header.rindex(b"---") + 3])):
        raise BadInput("its beginning was changed")
    return file_key


def _read_line(source: Source) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < _MAX_HEADER_LINE and (byte := source.read(1)):
        line += byte
    return line


def _stretch(passphrase: str, salt: bytes, work_factor: int) -> bytes:
    """A key that takes time and memory to derive, so that passphrases cannot be tried out quickly."""
    cost = 1 << work_factor
    salt = b"age-encryption.org/v1/scrypt" + salt
    memory = 128 * 8 * (cost + 64)  # bytes: 128 * r * n, and a little more
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=cost, r=8, p=1, maxmem=memory, dklen=32)


def _mac(file_key: bytes, lines: bytes) -> bytes:
    return hmac.digest(_derive(file_key, b"", b"header"), lines, "sha256")


def _derive(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt or None, info=info).derive(key)


def _encode(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4))

"""A backup that is encrypted opens with its passphrase alone, and only when every byte is as it was written."""

import io

import pytest

from digest.backup.age import CHUNK_BYTES, DecryptingReader, EncryptingWriter
from digest.errors import BadInput

QUICK = 2  # of scrypt, in tests
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES)


def sealed(plain: bytes, passphrase: str = "correct horse") -> bytes:
    sink = io.BytesIO()
    with EncryptingWriter(sink, passphrase, QUICK) as writer:
        for start in range(0, len(plain), 50_000):
            writer.write(plain[start : start + 50_000])
    return sink.getvalue()


def opened(data: bytes, passphrase: str = "correct horse") -> bytes:
    return io.BufferedReader(DecryptingReader(io.BytesIO(data), passphrase)).read()


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_opens(size: int) -> None:
    plain = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert opened(sealed(plain)) == plain


def test_another_passphrase_opens_nothing() -> None:
    with pytest.raises(BadInput, match="passphrase is wrong"):
        opened(sealed(b"addresses"), "incorrect horse")


def test_a_file_that_is_cut_anywhere_does_not_open() -> None:
    whole = sealed(bytes(2 * CHUNK_BYTES))
    sealed_chunk = CHUNK_BYTES + 16
    ends = [0, 1, 30, 100, 160, len(whole) - 1, len(whole) - sealed_chunk, len(whole) - sealed_chunk - 1]
    for end in ends:
        with pytest.raises(BadInput):
            opened(whole[:end])


def test_a_file_of_which_one_byte_was_changed_does_not_open() -> None:
    whole = sealed(bytes(2 * CHUNK_BYTES))
    for place in (0, 25, 40, 60, 100, 150, 180, 200, CHUNK_BYTES, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(BadInput):
            opened(bytes(changed))


def test_chunks_that_change_places_do_not_open() -> None:
    whole = sealed(bytes(2 * CHUNK_BYTES) + b"end")
    chunk = CHUNK_BYTES + 16
    body = len(whole) - 2 * chunk - len(b"end") - 16
    first, second, rest = (
        whole[body : body + chunk],
        whole[body + chunk : body + 2 * chunk],
        whole[body + 2 * chunk :],
    )
    with pytest.raises(BadInput):
        opened(whole[:body] + second + first + rest)


def test_a_header_that_asks_for_all_memory_is_refused() -> None:
    with pytest.raises(BadInput):
        opened(sealed(b"x").replace(b" 2\n", b" 30\n", 1))

"""Signed tokens. A token carries one purpose and a few numbers, and no address."""

import base64
import hashlib
import hmac
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2s

from digest.errors import BadSetting, BadToken

TAG_BYTES = 16  # 128 bits cannot be guessed, and the token still fits on a header line
KEY_ID_BYTES = 2
MIN_KEY_CHARS = 16
MAX_TOKEN_CHARS = 200
LOW_BITS = 0x7F  # a varint holds seven bits per byte; the eighth marks that more follow


class Purpose(IntEnum):
    """What a token may be used for. The numbers are in sent mail: never change or reuse one."""

    CONFIRM = 1
    PREFERENCES = 2
    UNSUBSCRIBE = 3
    CLICK = 4
    VIEW = 5
    VOTE = 6
    SIGN_IN = 7
    BOUNCE = 8
    FORM = 9
    SIGN_UP_WAIT = 10


@dataclass(frozen=True)
class _Key:
    id: bytes
    secret: bytes
    by_purpose: tuple[bytes, ...]  # one derived key per purpose, so that a tag is never valid for another


class Signer:
    """Signs with the newest key and accepts every key of the ring, so that rotation does not break old mail."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Create a signer from the keys, newest first. Raises BadSetting for no keys or a key that is too short."""
        if not keys:
            raise BadSetting("DIGEST_SECRET_KEYS is empty; set at least one random key of 32 characters")
        if any(len(key) < MIN_KEY_CHARS for key in keys):
            raise BadSetting(f"DIGEST_SECRET_KEYS contains a key shorter than {MIN_KEY_CHARS} characters")
        self._ring = tuple(_key(key) for key in keys)

    def mint(self, purpose: Purpose, *numbers: int) -> str:
        """A URL-safe token for `purpose` that carries `numbers` (each >= 0): 30 to 45 characters for ids."""
        key = self._ring[0]
        body = bytes((purpose,)) + key.id + b"".join(map(_varint, numbers))
        tag = _tag(key.by_purpose[purpose], body)
        return base64.urlsafe_b64encode(body + tag).rstrip(b"=").decode("ascii")

    @property
    def newest_key_id(self) -> str:
        """Id (hex) of the signing key; stored with a frozen issue so that its mail can be rendered again."""
        return self._ring[0].id.hex()

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of all keys, the newest first."""
        return tuple(key.id.hex() for key in self._ring)

    def minter(self, purpose: Purpose, key_id: str | None = None) -> "TokenMinter":
        """A faster signer for one purpose, for the send loop, with the newest key or the one with `key_id`.

        Raises BadSetting when that key is no longer in the ring.
        """
        key = self._key(key_id)
        return TokenMinter(bytes((purpose,)) + key.id, key.by_purpose[purpose])

    def verify(self, purpose: Purpose, token: str) -> tuple[int, ...]:
        """Verify a token for `purpose` and return its numbers. Raises BadToken."""
        raw = _decode(token)
        body, tag = raw[:-TAG_BYTES], raw[-TAG_BYTES:]
        start = 1 + KEY_ID_BYTES
        if len(body) < start or body[0] != purpose:
            raise BadToken("this link is incomplete or meant for something else")
        for key in self._ring:
            if key.id == body[1:start]:
                expected = _tag(key.by_purpose[purpose], body)
                if hmac.compare_digest(expected, tag):
                    return _numbers(body[start:])
        raise BadToken("this link is invalid, or its signing key was retired")

    def keyed_hashes(self, purpose: str, value: str) -> tuple[str, ...]:
        """Keyed hashes of `value`, one per key, newest first: store the first, search for all."""
        data = f"{purpose}\0{value}".encode()
        return tuple(hmac.digest(key.secret, data, "sha256").hex() for key in self._ring)

    def _key(self, key_id: str | None) -> "_Key":
        for key in self._ring:
            if key_id in (None, key.id.hex()):
                return key
        raise BadSetting(
            f"DIGEST_SECRET_KEYS no longer contains key {key_id}, which signed an issue; add it again"
        )


class TokenMinter:
    """`Signer.mint` for one purpose, with everything constant precomputed."""

    def __init__(self, head: bytes, key: bytes) -> None:
        self._head = head
        self._begin = blake2s(head, key=key, digest_size=TAG_BYTES).copy  # the keyed state is computed once

    def mint(self, *numbers: int) -> bytes:
        """The token as ASCII bytes."""
        return self.sign(encode_numbers(*numbers))

    def sign(self, packed: bytes) -> bytes:
        """The token for encoded numbers: the tokens of a mail share most of them."""
        state = self._begin()
        state.update(packed)
        token = b"".join((self._head, packed, state.digest()))
        return b2a_base64(token, newline=False).translate(_URL_SAFE).rstrip(b"=")


def encode_numbers(*numbers: int) -> bytes:
    """Encode numbers (each >= 0) as varints; the results may be concatenated. Raises ValueError."""
    return _varint(numbers[0]) if len(numbers) == 1 else b"".join(map(_varint, numbers))


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
# Each byte that a varint may hold: made once, because every mail has a few.
_LAST = [bytes((n,)) for n in range(LOW_BITS + 1)]
_MORE_FOLLOW = [bytes((n | 0x80,)) for n in range(LOW_BITS + 1)]


def _tag(key: bytes, body: bytes) -> bytes:
    """Keyed BLAKE2s (RFC 7693): a mail has a dozen tokens, and HMAC-SHA256 takes three times as long."""
    return blake2s(body, key=key, digest_size=TAG_BYTES).digest()


def _key(secret: str) -> _Key:
    raw = secret.encode()
    return _Key(
        id=hashlib.sha256(b"digest key id\0" + raw).digest()[:KEY_ID_BYTES],
        secret=raw,
        by_purpose=tuple(
            hmac.digest(raw, b"digest purpose\0" + bytes((n,)), "sha256") for n in range(max(Purpose) + 1)
        ),
    )


def _varint(number: int) -> bytes:
    if number < 0:
        raise ValueError(f"a token cannot contain a negative number: {number}")
    out = b""
    while number > LOW_BITS:
        out += _MORE_FOLLOW[number & LOW_BITS]
        number >>= 7
    return out + _LAST[number]


def _numbers(data: bytes) -> tuple[int, ...]:
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & LOW_BITS) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value)
            value, shift = 0, 0
    return tuple(numbers)


def _decode(token: str) -> bytes:
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise BadToken("this link is incomplete or invalid")
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raise BadToken("this link is incomplete or invalid") from None
    # Base64 has spare bits and Python skips foreign characters: accept the canonical form only.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != token:
        raise BadToken("this link is incomplete or invalid")
    return raw

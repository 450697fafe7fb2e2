"""Recovery codes: ten single-use codes that replace a lost second factor."""

import hashlib
import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from digest.access.models import RecoveryCode

CODE_COUNT: Final = 10
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # no characters that look alike
GROUPS, GROUP_CHARS = 3, 5  # 74 bits
SALT_BYTES: Final = 16
# scrypt (RFC 7914) with 4 MiB, about 15 ms, once per attempt: a set shares its salt. The codes are random anyway.
SCRYPT_COST: Final = {"n": 2**12, "r": 8, "p": 1, "dklen": 32}


def generate(session: Session, user_id: int) -> list[str]:
    """Create a new set for the user and return it, to be shown once; the old set becomes invalid."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    salt = secrets.token_bytes(SALT_BYTES)
    codes = [_code() for _ in range(CODE_COUNT)]
    session.add_all(RecoveryCode(user_id=user_id, salt=salt, hash=_hash(code, salt)) for code in codes)
    session.flush()
    return codes


def use(session: Session, user_id: int, code: str, now: datetime) -> bool:
    """Redeem a code; False when it is not one of this user's or was used before."""
    salt = session.scalar(select(RecoveryCode.salt).where(RecoveryCode.user_id == user_id).limit(1))
    if salt is None:
        return False
    used = (
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        .where(RecoveryCode.hash == _hash(code, salt))
        .values(used_at=now)
        .returning(RecoveryCode.id)
    )
    return session.scalar(used.execution_options(synchronize_session=False)) is not None


def count_remaining(session: Session, user_id: int) -> int:
    """Count the codes that are still unused."""
    rows = select(func.count()).select_from(RecoveryCode)
    return session.scalar(rows.where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))) or 0


def _code() -> str:
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARS)) for _ in range(GROUPS))


def _hash(code: str, salt: bytes) -> str:
    plain = "".join(char for char in code.lower() if char.isalnum())
    return hashlib.scrypt(plain.encode(), salt=salt, maxmem=64 * 2**20, **SCRYPT_COST).hex()

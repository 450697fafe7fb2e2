"""Codes of an authenticator app: time-based one-time passwords (RFC 6238), each good once."""

from datetime import datetime
from typing import Final

import pyotp
import segno
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.access import factors
from digest.access.encryption import decrypt, encrypt, reencrypt
from digest.access.models import Factor, LoginSession
from digest.access.sessions import CurrentSession
from digest.errors import BadInput, NotAllowed
from digest.signing import Signer

STEP_SECONDS: Final = 30
STEPS_BACK: Final = 1  # a code may be typed as it changes; RFC 6238, 5.2 allows one step for that
DIGITS: Final = 6


def begin_setup(session: Session, signer: Signer, visit_id: int) -> None:
    """Draw a secret for an app that is to be set up in this session; it counts only after `finish`."""
    session.get_one(LoginSession, visit_id).pending_totp_secret = encrypt(signer, pyotp.random_base32())


def pending_secret(session: Session, signer: Signer, visit_id: int) -> str:
    """The secret that is being set up in this session, in base 32. Raises NotAllowed when there is none."""
    encrypted_secret = session.scalar(
        select(LoginSession.pending_totp_secret).where(LoginSession.id == visit_id)
    )
    if encrypted_secret is None:
        raise NotAllowed("no authenticator app is being set up; begin once more")
    return decrypt(signer, encrypted_secret)


def confirm_setup(
    session: Session, signer: Signer, visit: CurrentSession, *, code: str, name: str, now: datetime
) -> Factor:
    """Keep the app whose secret was shown, when it answers with the right code. Raises BadInput, NotAllowed."""
    secret = pending_secret(session, signer, visit.id)
    step = _step(secret, code, now)
    if step is None:
        raise BadInput("that code is not right; look at the app again, and at the clock of the phone")
    session.get_one(LoginSession, visit.id).pending_totp_secret = None
    return factors.add(
        session, visit.user_id, "app", name, now, encrypted_secret=encrypt(signer, secret), last_step=step
    )


def verify(session: Session, signer: Signer, user_id: int, code: str, now: datetime) -> Factor | None:
    """The user's app that shows this code now; it is used up, and so are all before it. None when it is wrong.

    An app whose key was retired keeps no other from being read; NotAllowed is raised when that is true of all.
    """
    unread, read = None, False
    for found in factors.list_factors(session, user_id):
        if not found.encrypted_secret:
            continue
        try:
            secret = decrypt(signer, found.encrypted_secret)
        except NotAllowed as retired:
            unread = retired
            continue
        read, step = True, _step(secret, code, now)
        if step and _use(session, found.id, step, now, reencrypt(signer, found.encrypted_secret)):
            return found
    if unread and not read:
        raise unread
    return None


def looks_like_code(code: str) -> bool:
    """Whether this is six digits, with or without spaces: anything else may be a recovery code."""
    digits = "".join(code.split())
    return digits.isascii() and digits.isdigit() and len(digits) == DIGITS


def provisioning_uri(secret: str, account: str, issuer: str) -> str:
    """What the picture says to the app: `otpauth://totp/…`."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def qr_code(words: str) -> str:
    """A QR code as one SVG element without styles or sizes of its own, black on white."""
    return segno.make(words, error="m").svg_inline(
        scale=1, omitsize=True, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None
    )


def _use(session: Session, factor_id: int, step: int, now: datetime, encrypted_secret: str) -> bool:
    # One statement: of two tries with the same code at once, one finds the step used.
    used = update(Factor).where(Factor.id == factor_id, Factor.last_step < step)
    used = used.values(last_step=step, used_at=now, encrypted_secret=encrypted_secret)
    return session.scalar(used.returning(Factor.id).execution_options(synchronize_session=False)) is not None


def _step(secret: str, code: str, now: datetime) -> int | None:
    """The time step in which the app shows this code, the present one or the one before."""
    if not looks_like_code(code):
        return None
    digits = "".join(code.split())
    present = int(now.timestamp()) // STEP_SECONDS
    app = pyotp.TOTP(secret)
    for step in range(present, present - STEPS_BACK - 1, -1):
        if pyotp.utils.strings_equal(app.generate_otp(step), digits):
            return step
    return None

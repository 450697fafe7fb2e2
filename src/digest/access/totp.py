"""Codes from an authenticator app: time-based one-time passwords (RFC 6238), each valid once."""

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
STEPS_BACK: Final = 1  # the code may change while it is typed; RFC 6238, 5.2 allows one step for that
DIGITS: Final = 6


def begin_setup(session: Session, signer: Signer, session_id: int) -> None:
    """Generate a secret for an authenticator app; it takes effect only with `confirm_setup`."""
    session.get_one(LoginSession, session_id).pending_totp_secret = encrypt(signer, pyotp.random_base32())


def pending_secret(session: Session, signer: Signer, session_id: int) -> str:
    """Return the secret being set up in this session, in base 32. Raises NotAllowed when there is none."""
    encrypted_secret = session.scalar(
        select(LoginSession.pending_totp_secret).where(LoginSession.id == session_id)
    )
    if encrypted_secret is None:
        raise NotAllowed("no authenticator app is being set up; start again")
    return decrypt(signer, encrypted_secret)


def confirm_setup(
    session: Session, signer: Signer, login_session: CurrentSession, *, code: str, name: str, now: datetime
) -> Factor:
    """Store the app being set up if `code` is right. Raises BadInput, NotAllowed."""
    secret = pending_secret(session, signer, login_session.id)
    step = _step(secret, code, now)
    if step is None:
        raise BadInput("that code is wrong; enter the current one, and check the clock of your phone")
    session.get_one(LoginSession, login_session.id).pending_totp_secret = None
    return factors.add(
        session,
        login_session.user_id,
        "app",
        name,
        now,
        encrypted_secret=encrypt(signer, secret),
        last_step=step,
    )


def verify(session: Session, signer: Signer, user_id: int, code: str, now: datetime) -> Factor | None:
    """Return the user's app that shows this code now, or None. The code and all earlier ones become invalid.

    Apps whose encryption key was retired are skipped; raises NotAllowed when that applies to all of them.
    """
    undecryptable, decrypted = None, False
    for factor in factors.list_factors(session, user_id):
        if not factor.encrypted_secret:
            continue
        try:
            secret = decrypt(signer, factor.encrypted_secret)
        except NotAllowed as retired:
            undecryptable = retired
            continue
        decrypted, step = True, _step(secret, code, now)
        if step and _use(session, factor.id, step, now, reencrypt(signer, factor.encrypted_secret)):
            return factor
    if undecryptable and not decrypted:
        raise undecryptable
    return None


def looks_like_code(code: str) -> bool:
    """Return whether this is six digits, with or without spaces; anything else may be a recovery code."""
    digits = "".join(code.split())
    return digits.isascii() and digits.isdigit() and len(digits) == DIGITS


def provisioning_uri(secret: str, account: str, issuer: str) -> str:
    """Return the content of the QR code: `otpauth://totp/…`."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def qr_code(text: str) -> str:
    """Render a QR code as an SVG element without styles or size, black on white."""
    return segno.make(text, error="m").svg_inline(
        scale=1, omitsize=True, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None
    )


def _use(session: Session, factor_id: int, step: int, now: datetime, encrypted_secret: str) -> bool:
    # One statement: when the same code is tried twice at once, only one attempt succeeds.
    used = update(Factor).where(Factor.id == factor_id, Factor.last_step < step)
    used = used.values(last_step=step, used_at=now, encrypted_secret=encrypted_secret)
    return session.scalar(used.returning(Factor.id).execution_options(synchronize_session=False)) is not None


def _step(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step for which this code is valid, the current or the previous one; None when neither."""
    if not looks_like_code(code):
        return None
    digits = "".join(code.split())
    current = int(now.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    for step in range(current, current - STEPS_BACK - 1, -1):
        if pyotp.utils.strings_equal(totp.generate_otp(step), digits):
            return step
    return None

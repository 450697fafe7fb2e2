"""Passkeys and security keys (WebAuthn 2) as a second factor. A challenge is stored and valid for one response.

The library and the cryptography that it loads take 14 MB, so web servers import this when a passkey is first used.
"""

import secrets
from datetime import datetime, timedelta
from typing import Final

import webauthn
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from digest.access import factors
from digest.access.models import Factor, LoginSession
from digest.access.relying_party import RelyingParty
from digest.access.sessions import CurrentSession
from digest.errors import BadInput

CHALLENGE_BYTES: Final = 32
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)


def registration_options(
    session: Session, login_session: CurrentSession, rp: RelyingParty, now: datetime
) -> str:
    """Return the options with which the browser creates a passkey, as JSON."""
    options = webauthn.generate_registration_options(
        rp_id=rp.id,
        rp_name=rp.name,
        # Not the address: an authenticator may reveal the user handle (WebAuthn, 14.6.1).
        user_id=f"digest-{login_session.user_id}".encode(),
        user_name=login_session.address,
        challenge=_create_challenge(session, login_session.id, now),
        exclude_credentials=_list_credentials(session, login_session.user_id),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
    )
    return webauthn.options_to_json(options)


def verify_registration(
    session: Session,
    login_session: CurrentSession,
    response: str,
    name: str,
    *,
    rp: RelyingParty,
    now: datetime,
) -> Factor:
    """Store the passkey that the browser created for our challenge. Raises BadInput, NotAllowed."""
    try:
        registration = webauthn.verify_registration_response(
            credential=response,
            expected_challenge=_consume_challenge(session, login_session.id, now),
            expected_rp_id=rp.id,
            expected_origin=rp.origin,
        )
    except (WebAuthnException, ValueError, KeyError):
        raise BadInput("the passkey was not created; try again") from None
    credential = bytes_to_base64url(registration.credential_id)
    if session.scalar(select(Factor.id).where(Factor.credential == credential)) is not None:
        raise BadInput("this passkey is already set up")
    return factors.add(
        session,
        login_session.user_id,
        "passkey",
        name,
        now,
        credential=credential,
        public_key=registration.credential_public_key,
        sign_count=registration.sign_count,
    )


def authentication_options(
    session: Session, login_session: CurrentSession, rp: RelyingParty, now: datetime
) -> str:
    """Return the options with which the browser uses one of this user's passkeys, as JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=rp.id,
        challenge=_create_challenge(session, login_session.id, now),
        allow_credentials=_list_credentials(session, login_session.user_id),
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return webauthn.options_to_json(options)


def verify_authentication(
    session: Session, login_session: CurrentSession, response: str, *, rp: RelyingParty, now: datetime
) -> Factor | None:
    """Return the user's passkey that answered our challenge; None for an invalid response or a stale counter."""
    challenge = _consume_challenge(session, login_session.id, now)
    try:
        credential = webauthn.helpers.parse_authentication_credential_json(response)
        factor = _find_passkey(session, login_session.user_id, bytes_to_base64url(credential.raw_id))
        if factor is None or factor.public_key is None:
            return None
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=rp.id,
            expected_origin=rp.origin,
            credential_public_key=factor.public_key,
            credential_current_sign_count=factor.sign_count,
        )
    except (WebAuthnException, ValueError, KeyError):
        return None
    factor.sign_count, factor.used_at = verified.new_sign_count, now
    session.flush()
    return factor


def _find_passkey(session: Session, user_id: int, credential: str) -> Factor | None:
    rows = select(Factor).where(Factor.user_id == user_id, Factor.credential == credential)
    return session.scalars(rows.with_for_update()).one_or_none()


def _list_credentials(session: Session, user_id: int) -> list[PublicKeyCredentialDescriptor]:
    ids = (factor.credential for factor in factors.list_factors(session, user_id))
    return [PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(id_)) for id_ in ids if id_]


def _create_challenge(session: Session, session_id: int, now: datetime) -> bytes:
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    session.execute(
        update(LoginSession)
        .where(LoginSession.id == session_id)
        .values(challenge=challenge, challenge_at=now)
    )
    return challenge


def _consume_challenge(session: Session, session_id: int, now: datetime) -> bytes:
    """Return this session's pending challenge and clear it; random bytes when there is none or it has expired."""
    login_session = session.get_one(LoginSession, session_id, with_for_update=True)
    challenge, created_at = login_session.challenge, login_session.challenge_at
    login_session.challenge = login_session.challenge_at = None
    session.flush()
    is_valid = created_at is not None and now - created_at < CHALLENGE_LIFETIME
    return challenge if challenge and is_valid else secrets.token_bytes(CHALLENGE_BYTES)

"""Passkeys and security keys (WebAuthn 2) as a second factor. Each challenge is a row, and good for one answer."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

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
from digest.access.sessions import CurrentSession
from digest.errors import BadInput

CHALLENGE_BYTES: Final = 32
ANSWER_WITHIN: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class RelyingParty:
    """The site as a passkey knows it (the relying party)."""

    id: str  # the host
    origin: str
    name: str


def relying_party(base_url: str, name: str) -> RelyingParty | None:
    """The site at `base_url`; None where no browser has passkeys: at a bare IP address, or without https."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if _is_ip(host) or (parts.scheme != "https" and host != "localhost"):
        return None
    return RelyingParty(host, f"{parts.scheme}://{parts.netloc}", name)


def registration_options(session: Session, visit: CurrentSession, to: RelyingParty, now: datetime) -> str:
    """What the browser needs to make a passkey, as JSON."""
    options = webauthn.generate_registration_options(
        rp_id=to.id,
        rp_name=to.name,
        user_id=f"digest-{visit.user_id}".encode(),  # no address: the authenticator may tell it (WebAuthn, 14.6.1)
        user_name=visit.address,
        challenge=_challenge(session, visit.id, now),
        exclude_credentials=_find_credential(session, visit.user_id),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
    )
    return webauthn.options_to_json(options)


def verify_registration(
    session: Session, visit: CurrentSession, answer: str, name: str, *, to: RelyingParty, now: datetime
) -> Factor:
    """Keep the passkey that the browser made for our challenge. Raises BadInput."""
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=_answered(session, visit.id, now),
            expected_rp_id=to.id,
            expected_origin=to.origin,
        )
    except (WebAuthnException, ValueError, KeyError):
        raise BadInput("the passkey was not made; try once more") from None
    credential = bytes_to_base64url(made.credential_id)
    if session.scalar(select(Factor.id).where(Factor.credential == credential)) is not None:
        raise BadInput("this passkey is set up already")
    facts = {"public_key": made.credential_public_key, "sign_count": made.sign_count}
    return factors.add(session, visit.user_id, "passkey", name, now, credential=credential, **facts)


def authentication_options(session: Session, visit: CurrentSession, to: RelyingParty, now: datetime) -> str:
    """What the browser needs to use a passkey of this user, as JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=to.id,
        challenge=_challenge(session, visit.id, now),
        allow_credentials=_find_credential(session, visit.user_id),
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return webauthn.options_to_json(options)


def verify_authentication(
    session: Session, visit: CurrentSession, answer: str, *, to: RelyingParty, now: datetime
) -> Factor | None:
    """The user's passkey that answered our challenge; None when it did not, or its counter did not go on."""
    challenge = _answered(session, visit.id, now)
    try:
        credential = webauthn.helpers.parse_authentication_credential_json(answer)
        found = _credentials_of(session, visit.user_id, bytes_to_base64url(credential.raw_id))
        if found is None or found.public_key is None:
            return None
        said = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=to.id,
            expected_origin=to.origin,
            credential_public_key=found.public_key,
            credential_current_sign_count=found.sign_count,
        )
    except (WebAuthnException, ValueError, KeyError):
        return None
    found.sign_count, found.used_at = said.new_sign_count, now
    session.flush()
    return found


def _credentials_of(session: Session, user_id: int, credential: str) -> Factor | None:
    rows = select(Factor).where(Factor.user_id == user_id, Factor.credential == credential)
    return session.scalars(rows.with_for_update()).one_or_none()


def _find_credential(session: Session, user_id: int) -> list[PublicKeyCredentialDescriptor]:
    mine = (found.credential for found in factors.list_factors(session, user_id))
    return [PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(each)) for each in mine if each]


def _challenge(session: Session, visit_id: int, now: datetime) -> bytes:
    fresh = secrets.token_bytes(CHALLENGE_BYTES)
    session.execute(
        update(LoginSession).where(LoginSession.id == visit_id).values(challenge=fresh, challenge_at=now)
    )
    return fresh


def _answered(session: Session, visit_id: int, now: datetime) -> bytes:
    """The challenge that waits for an answer in this session; it waits no longer. Random bytes when there is none."""
    visit = session.get_one(LoginSession, visit_id, with_for_update=True)
    waits, since = visit.challenge, visit.challenge_at
    visit.challenge = visit.challenge_at = None
    session.flush()
    in_time = since is not None and now - since < ANSWER_WITHIN
    return waits if waits and in_time else secrets.token_bytes(CHALLENGE_BYTES)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

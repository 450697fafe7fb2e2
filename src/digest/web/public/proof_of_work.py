"""Proof of work before a sign-up: some seconds of the visitor's processor, which a flood of addresses cannot afford.

The challenges are ALTCHA's (version 2, PBKDF2 with SHA-256), solved by static/sign-up.js. Each is for one address.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import altcha

from digest.signing import Signer

ALGORITHM: Final = "PBKDF2/SHA-256"
COST: Final = 5_000  # iterations for each try: 2 ms on a server, a few on a phone
TRIES: Final = (200, 400)  # how many tries lead to the solution
VALID_FOR: Final = timedelta(minutes=20)


def create_challenge(signer: Signer, key: str, now: datetime) -> dict[str, Any]:
    """A challenge for signing up the address with this key, to be sent as JSON."""
    challenge = altcha.create_challenge(
        algorithm=ALGORITHM,
        cost=COST,
        counter=TRIES[0] + secrets.randbelow(TRIES[1] - TRIES[0]),
        expires_at=now + VALID_FOR,
        data={"address": _fingerprint(key)},
        hmac_secret=_secrets(signer)[0],
    )
    return challenge.to_dict()


def verify(signer: Signer, proof: str, key: str) -> str | None:
    """The id of the challenge that `proof` solves, to be used once; None when it solves none for this address."""
    try:
        payload = altcha.Payload.from_base64(proof)
        parameters = payload.challenge.parameters
        if parameters.data != {"address": _fingerprint(key)}:
            return None
        if any(altcha.verify_solution(payload, secret).verified for secret in _secrets(signer)):
            return str(parameters.nonce)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # what a browser of ours never sends
    return None


def _secrets(signer: Signer) -> tuple[str, ...]:
    return signer.keyed_hashes("proof of work", "")


def _fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:24]

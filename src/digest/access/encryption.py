"""Secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256) under keys that are derived from the signing keys' ring."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from digest.errors import NotAllowed
from digest.signing import Signer


def seal(signer: Signer, secret: str) -> str:
    """The secret as text that only this ring of keys opens; the newest key seals."""
    return _ring(signer).encrypt(secret.encode()).decode()


def unseal(signer: Signer, sealed: str) -> str:
    """The secret again. Raises NotAllowed when the key that sealed it was retired."""
    try:
        return _ring(signer).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise NotAllowed(
            "the key that this secret was sealed with was retired; set the second factor up anew"
        ) from None


def reseal(signer: Signer, sealed: str) -> str:
    """The same secret under the newest key, so that old keys can be retired."""
    return _ring(signer).rotate(sealed.encode()).decode()


def _ring(signer: Signer) -> MultiFernet:
    keys = signer.hashes("seal of second factors", "")
    return MultiFernet([Fernet(base64.urlsafe_b64encode(bytes.fromhex(key))) for key in keys])

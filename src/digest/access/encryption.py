"""Secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256) under keys that are derived from the signing keys' ring."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from digest.errors import NotAllowed
from digest.signing import Signer


def encrypt(signer: Signer, secret: str) -> str:
    """The secret as text that only this ring of keys opens; the newest key seals."""
    return _fernet(signer).encrypt(secret.encode()).decode()


def decrypt(signer: Signer, encrypted_secret: str) -> str:
    """The secret again. Raises NotAllowed when the key that encrypted it was retired."""
    try:
        return _fernet(signer).decrypt(encrypted_secret.encode()).decode()
    except InvalidToken:
        raise NotAllowed(
            "the key that encrypted this secret was retired; set up two-factor authentication again"
        ) from None


def reencrypt(signer: Signer, encrypted_secret: str) -> str:
    """The same secret under the newest key, so that old keys can be retired."""
    return _fernet(signer).rotate(encrypted_secret.encode()).decode()


def _fernet(signer: Signer) -> MultiFernet:
    keys = signer.keyed_hashes("seal of second factors", "")
    return MultiFernet([Fernet(base64.urlsafe_b64encode(bytes.fromhex(key))) for key in keys])

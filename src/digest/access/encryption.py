"""Encryption of secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256), with keys derived from the signing keys."""

import base64
from typing import TYPE_CHECKING

from digest.errors import NotAllowed
from digest.signing import Signer

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


def encrypt(signer: Signer, secret: str) -> str:
    """Encrypt a secret with the newest key; any key in the ring can decrypt it."""
    return _fernet(signer).encrypt(secret.encode()).decode()


def decrypt(signer: Signer, encrypted_secret: str) -> str:
    """Decrypt a secret. Raises NotAllowed when the key that encrypted it has been retired."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(signer).decrypt(encrypted_secret.encode()).decode()
    except InvalidToken:
        raise NotAllowed(
            "the key that encrypted this secret has been retired; set up two-factor authentication again"
        ) from None


def reencrypt(signer: Signer, encrypted_secret: str) -> str:
    """Encrypt the secret again with the newest key, so that old keys can be retired."""
    return _fernet(signer).rotate(encrypted_secret.encode()).decode()


def _fernet(signer: Signer) -> "MultiFernet":
    # Here, because it takes 6 MB, and most web servers are asked for no second factor for a long time.
    from cryptography.fernet import Fernet, MultiFernet

    keys = signer.keyed_hashes("seal of second factors", "")
    return MultiFernet([Fernet(base64.urlsafe_b64encode(bytes.fromhex(key))) for key in keys])

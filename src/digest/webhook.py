"""Posts a JSON message to a URL that the operator set, signed as Standard Webhooks describes if there is a secret.

The URL is the operator's own setting and not a reader's or editor's text, so it may lead to a private address: the
receiver of alerts is often in the same network. Redirects are not followed, and of the response only the status counts.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from digest.errors import Unavailable

TIMEOUT_SECONDS: Final = 10.0  # to connect, and between two parts of the response
MIN_KEY_BYTES: Final = 16
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105  it marks a secret, as the specification says


@dataclass(frozen=True)
class Webhook:
    """Where messages go; `secret` None: they are not signed."""

    url: str = field(repr=False)  # it often holds a token
    secret: str | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The receiver's host, for logs."""
        return urlsplit(self.url).hostname or ""

    def post(self, message_id: str, body: Mapping[str, object], at: float | None = None) -> None:
        """Send one message. Raises Unavailable unless the receiver answers 2xx."""
        import requests

        data = json.dumps(body, ensure_ascii=False).encode()
        headers = self._headers(message_id, data, int(time.time() if at is None else at))
        try:
            with requests.post(
                self.url,
                data=data,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as response:
                if not HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                    raise Unavailable(f"{self.host} answered {response.status_code}")
        except requests.RequestException as error:  # its text may contain the URL
            raise Unavailable(f"{self.host} could not be reached ({type(error).__name__})") from None

    def _headers(self, message_id: str, data: bytes, at: int) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "digest-webhook/1",
            "webhook-id": message_id,
            "webhook-timestamp": str(at),
        }
        if self.secret:
            signed = f"{message_id}.{at}.".encode() + data
            tag = hmac.digest(_key(self.secret), signed, hashlib.sha256)
            headers["webhook-signature"] = f"v1,{base64.b64encode(tag).decode()}"
        return headers


def is_webhook_secret(text: str) -> bool:
    """Whether a text can be a secret: Base64 after `whsec_`, or any other text, neither of them short."""
    try:
        return len(_key(text)) >= MIN_KEY_BYTES
    except ValueError:
        return False


def _key(secret: str) -> bytes:
    """The key's bytes: Base64 after `whsec_`, otherwise the text itself. Raises ValueError for invalid Base64."""
    if secret.startswith(_SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    return secret.encode()

"""A small real OpenID provider on loopback: discovery, code flow with PKCE, signed ID tokens. Tests can make it lie."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

CLIENT, SECRET = "digest-desk", "a-secret-of-the-tests"


@dataclass
class Account:
    subject: str = "user-7"
    email: str = "editor@verdicts.io"
    email_verified: Any = True


@dataclass
class OpenIdProvider:
    """It signs everybody in as `account`. `lies` replaces claims of the ID token, or the metadata's issuer."""

    issuer: str = ""
    account: Account = field(default_factory=Account)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    signs_with: RSAKey | None = None
    lies: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    @Request.application
    def __call__(self, request: Request) -> Response:
        match request.path:
            case "/.well-known/openid-configuration":
                return reply(self.metadata())
            case "/authorize":
                return self.authorize(request)
            case "/token":
                return self.token(request)
            case "/keys":
                return reply({"keys": [self.key.as_dict(private=False)]})
        return reply({}, 404)

    def metadata(self) -> dict[str, Any]:
        here = self.issuer
        return {
            "issuer": self.lies.get("issuer", here),
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
            "jwks_uri": f"{here}/keys",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, request: Request) -> Response:
        asked = dict(request.args)
        self.asked.append(asked)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    def token(self, request: Request) -> Response:
        asked = self.codes.pop(request.form.get("code", ""), None)
        who = request.authorization
        verifier = request.form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        if asked is None or not who or (who.username, who.password) != (CLIENT, SECRET):
            return reply({"error": "invalid_grant"}, 400)
        if (asked["code_challenge_method"], asked["code_challenge"]) != ("S256", challenge):
            return reply({"error": "invalid_grant"}, 400)
        return reply({"access_token": "of no use", "token_type": "Bearer", "id_token": self.id_token(asked)})

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": self.account.subject,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "email": self.account.email,
            "email_verified": self.account.email_verified,
        } | {name: lie for name, lie in self.lies.items() if name != "issuer"}
        claims = {name: value for name, value in claims.items() if value is not None}
        return str(jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.signs_with or self.key))


@contextmanager
def running() -> Iterator[OpenIdProvider]:
    """The provider, served on a free port of loopback until the block ends."""
    made = OpenIdProvider()
    server = make_server("127.0.0.1", 0, made, threaded=True)
    made.issuer = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def reply(facts: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(facts), status=status, mimetype="application/json")

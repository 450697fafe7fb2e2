"""The settings: one field per variable, and what is used where none is given.

To add one: a field here, a row in docs/operator.md, and a use in digest.app.
"""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from digest import loopback, rates
from digest.backup.schedule import BackupPlan, parse_backup_plan
from digest.base_url import LOCAL_PORT, parse_base_url
from digest.config import values
from digest.config.home_files import free_port, write_once
from digest.config.masking import HIDDEN, PASSWORDS, PATH
from digest.config.values import parsed
from digest.errors import BadSetting

SOCKET_PATH_BYTES = 100  # the kernel takes 107, and a server appends to it while it starts
_PROVIDER = ("oidc_issuer", "oidc_client_id", "oidc_client_secret")


class Settings(BaseModel):
    """One field per variable, named as it is without `DIGEST_`. None means: the embedded default.

    A field's `parsed` function is the one place that judges its text. PASSWORDS and HIDDEN say what is never shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    home: Annotated[Path, BeforeValidator(values.parse_home)] = Field(Path("var"), validate_default=True)
    database_url: Annotated[str | None, parsed(values.parse_database), PASSWORDS] = None
    broker_url: Annotated[str | None, parsed(values.parse_redis_url), PASSWORDS] = None
    limits_url: Annotated[str | None, parsed(values.parse_redis_url), PASSWORDS] = None
    smtp_url: Annotated[str | None, parsed(values.parse_smtp), PASSWORDS] = None
    base_url: Annotated[str | None, parsed(parse_base_url)] = None
    secret_keys: Annotated[tuple[str, ...], parsed(values.parse_keys), HIDDEN] = ()
    send_rate: Annotated[float | None, parsed(rates.parse_rate)] = None
    domain_rates: Annotated[Mapping[str, float], parsed(rates.parse_domain_rates)] = Field(
        default_factory=dict
    )
    warm_up: Annotated[rates.WarmUp | None, parsed(rates.parse_warm_up)] = None
    oidc_issuer: Annotated[str | None, parsed(values.parse_provider_url)] = None
    oidc_client_id: str | None = None
    oidc_client_secret: Annotated[str | None, HIDDEN] = None
    dkim_selector: Annotated[tuple[str, ...], parsed(values.parse_selectors)] = ()
    trusted_proxies: Annotated[tuple[loopback.Network, ...], parsed(values.parse_networks)] = (
        loopback.NETWORKS
    )
    keep_replies_days: Annotated[int, parsed(values.parse_days)] = 180
    keep_deliveries_days: Annotated[int, parsed(values.parse_days)] = 400
    keep_emails_days: Annotated[int, parsed(values.parse_days)] = 400
    keep_clicks_days: Annotated[int, parsed(values.parse_days)] = 400
    keep_letters_days: Annotated[int, parsed(values.parse_days)] = 180
    keep_log_days: Annotated[int, parsed(values.parse_days)] = 730
    keep_mailbox_days: Annotated[int, parsed(values.parse_days)] = 30
    retry_delay: Annotated[timedelta, parsed(values.parse_duration)] = timedelta(minutes=15)
    alert_url: Annotated[str | None, parsed(values.parse_webhook_url), PATH] = None
    alert_secret: Annotated[str | None, parsed(values.parse_webhook_secret), HIDDEN] = None
    backup: Annotated[BackupPlan | None, parsed(parse_backup_plan)] = None
    backup_passphrase: Annotated[str | None, HIDDEN] = None
    log: Annotated[str, parsed(values.parse_log)] = "info"

    @property
    def run_dir(self) -> Path:
        """The folder for sockets and locks. A Unix socket's path is limited: a deep home gets one in /tmp."""
        inside = self.home / "run"
        if len(os.fsencode(inside / "valkey.sock")) <= SOCKET_PATH_BYTES:
            return inside
        name = "digest-" + hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / name

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'digest.sqlite3'}"

    @property
    def broker(self) -> str:
        return self.broker_url or f"redis+socket://{self.run_dir / 'valkey.sock'}"

    def site(self) -> str:
        """The public site's URL; by default the one where `digest up` ran last. Raises BadSetting."""
        if self.base_url:
            return self.base_url
        path = self.home / "base-url"
        if not path.exists():
            return f"http://127.0.0.1:{LOCAL_PORT}"
        try:
            return parse_base_url(path.read_text())
        except ValueError as error:
            raise BadSetting(f"{path} {error}") from None

    def smtp(self) -> str:
        """The relay's URL; by default the embedded mailbox's."""
        return self.smtp_url or f"smtp://127.0.0.1:{self.mailbox_port()}?starttls=off&connections=4"

    def provider(self) -> tuple[str, str, str] | None:
        """Issuer, client id and secret of the team's OpenID provider. Raises BadSetting when one of them is missing."""
        given = {f"DIGEST_{name.upper()}": getattr(self, name) for name in _PROVIDER}
        if not any(given.values()):
            return None
        if not all(given.values()):
            present = " and ".join(name for name, value in given.items() if value)
            missing = " and ".join(name for name, value in given.items() if not value)
            raise BadSetting(f"{present} needs {missing} too: an OpenID provider has all three")
        issuer, client_id, secret = given.values()
        return str(issuer), str(client_id), str(secret)

    def mailbox_port(self) -> int:
        """The embedded mailbox's port, chosen once per home, so that every process of a home uses it."""
        path = self.home / "mailbox-port"
        if not path.exists():
            write_once(path, str(free_port()))
        return int(path.read_text())

    def keys(self) -> tuple[str, ...]:
        """The signing keys, newest first; generated once into the home when none are set."""
        if self.secret_keys:
            return self.secret_keys
        path = self.home / "secret-keys"
        if not path.exists():
            write_once(path, secrets.token_urlsafe(32) + "\n")
        keys = tuple(path.read_text().split())
        if not keys:
            raise BadSetting(f"{path} is empty; restore its keys or set DIGEST_SECRET_KEYS")
        return keys

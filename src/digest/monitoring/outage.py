"""An alert about the database itself, which cannot be kept in it: each process remembers what it said."""

import logging
from typing import Final

from digest.errors import Unavailable
from digest.webhook import Webhook

LOG = logging.getLogger(__name__)
PATIENCE_SECONDS: Final = 60.0  # a restart of the database takes less
MAX_ATTEMPTS: Final = 8  # to tell the webhook, 15 seconds apart


class DatabaseOutage:
    """Follows whether one process can write to the database, and tells of an outage once, and once of its end."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._since: float | None = None
        self._is_open = False
        self._attempts = 0
        self._is_delivered = False

    def record_failure(self, error: Exception, at: float, webhook: Webhook | None, base_url: str) -> None:
        """The database refused or did not answer; `at`: seconds on a clock that nobody sets."""
        if self._since is None:
            self._since = at
            LOG.warning("heartbeat not written", extra={"error": _reason(error)})
        if at - self._since < PATIENCE_SECONDS:
            return
        if not self._is_open:
            self._is_open = True
            LOG.error("alert opened", extra={"alert": f"database:{self._host}", "summary": _reason(error)})
        if webhook is not None and not self._is_delivered and self._attempts < MAX_ATTEMPTS:
            self._attempts += 1
            summary = (
                f"{self._host} has not been able to write to the database for a minute: {_reason(error)}"
            )
            self._is_delivered = self._post(webhook, "opened", summary, base_url)

    def record_success(self, webhook: Webhook | None, base_url: str) -> None:
        """The database took a heartbeat."""
        if self._is_open:
            LOG.warning("alert resolved", extra={"alert": f"database:{self._host}"})
            if webhook is not None and self._is_delivered:
                self._post(webhook, "resolved", f"{self._host} can write to the database again.", base_url)
        self._since, self._is_open, self._attempts, self._is_delivered = None, False, 0, False

    def _post(self, webhook: Webhook, change: str, summary: str, base_url: str) -> bool:
        body = {
            "type": f"alert.{change}",
            "text": f"digest at {base_url} [{self._host}]: {summary}",
            "data": {
                "key": f"database:{self._host}",
                "summary": summary,
                "host": self._host,
                "site": base_url,
            },
        }
        try:
            webhook.post(f"alert_database_{self._host}_{self._since or 0:.0f}_{change}", body)
        except Unavailable as error:
            LOG.warning("alert webhook failed", extra={"alert": "database", "error": str(error)})
            return False
        return True


def _reason(error: Exception) -> str:
    """The driver's first line, without the statement."""
    line = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line[:200]}"

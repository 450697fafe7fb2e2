"""One line per event: words for a person, or JSON for a machine. Events carry ids, never addresses."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}


def configure_logging(log: str) -> None:
    """Send every event to stderr; `log` is a level's name, or `json` for JSON lines at level info."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if log == "json" else log.upper())
    for name in ("celery", "kombu", "amqp", "waitress", "mail.log", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING if log in {"info", "json"} else log.upper())


class TextFormatter(logging.Formatter):
    """`2026-11-22 09:00:00 info    issue frozen issue=41 planned=8312`."""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        line = f"{_at(record):%Y-%m-%d %H:%M:%S} {record.levelname.lower():<7} {_said(record)}{facts}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """The same as one JSON object, a traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _at(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": _said(record),
            "from": record.name,
            **_facts(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def _said(record: logging.LogRecord) -> str:
    """The event on one line: a newline in somebody's text must not look like an event of ours."""
    return record.getMessage().replace("\r", " ").replace("\n", " ")


def _at(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _KNOWN}

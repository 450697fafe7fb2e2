"""Logging: one line per event, as text or JSON. Events carry ids, never addresses."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from digest.embedded import token_masking
from digest.embedded.repeat_filter import RepeatFilter
from digest.embedded.token_masking import mask_tokens

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}


def configure_logging(log: str) -> None:
    """Log to stderr; `log` is the name of a level, or `json` for JSON lines at level info."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log == "json" else TextFormatter())
    handler.addFilter(RepeatFilter())
    logging.captureWarnings(capture=True)
    token_masking.mask_web_servers()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if log == "json" else log.upper())
    for name in ("celery", "kombu", "amqp", "waitress", "mail.log", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING if log in {"info", "json"} else log.upper())


def dict_config(log: str) -> dict[str, Any]:
    """The same for servers that configure logging themselves, such as gunicorn, in the form of `logging.config`."""
    formatter = JsonFormatter if log == "json" else TextFormatter
    level = "INFO" if log == "json" else log.upper()
    own = {"level": level, "handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"digest": {"()": formatter}},
        "filters": {"repeats": {"()": RepeatFilter}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "digest", "filters": ["repeats"]}
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {"gunicorn.error": own, "gunicorn.access": own},
    }


class TextFormatter(logging.Formatter):
    """`2026-11-22 09:00:00 info    issue frozen issue=41 planned=8312`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = (
            f"{_timestamp(record):%Y-%m-%d %H:%M:%S} {record.levelname.lower():<7} {_message(record)}{fields}"
        )
        return mask_tokens(f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line)


class JsonFormatter(logging.Formatter):
    """The same as one JSON object, including the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _timestamp(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": _message(record),
            "from": record.name,
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return mask_tokens(json.dumps(line, default=str, ensure_ascii=False))


def _message(record: logging.LogRecord) -> str:
    """The message on one line, so that text with a newline cannot forge a log line."""
    return record.getMessage().replace("\r", " ").replace("\n", " ")


def _timestamp(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}

"""What a library repeats is one line a minute, with a count; our own events and single ones are all logged."""

import io
import json
import logging

import pytest

from digest.embedded.logs import JsonFormatter
from digest.embedded.repeat_filter import RepeatFilter


def test_a_dead_broker_is_one_line_a_minute_and_one_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    moment, out = 0.0, io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(RepeatFilter(lambda: moment))
    beat, ours = logging.getLogger("celery.beat"), logging.getLogger("digest.web.guards")
    for logger in (beat, ours):
        monkeypatch.setattr(logger, "handlers", [handler])
        monkeypatch.setattr(logger, "propagate", False)
    for second in range(0, 120, 5):
        moment = float(second)
        for task in ("letters", "send", "calendar"):
            error = ConnectionError(f"no broker for {task}")
            beat.error("Message Error: %s\n%s", error, ["a stack"] * 50, exc_info=error)
        ours.warning("request refused", extra={"status": 429})
    logged = [json.loads(line) for line in out.getvalue().splitlines()]
    library = [line for line in logged if line["from"] == "celery.beat"]
    assert [(line["event"], line.get("times"), "traceback" in line) for line in library] == [
        ("Message Error: no broker for letters", None, True),
        ("Message Error: no broker for letters", 36, False),
    ]
    assert len(logged) - len(library) == 24, "what we log ourselves is an event each time"


def test_a_flood_of_different_texts_takes_little_memory() -> None:
    repeats = RepeatFilter(lambda: 0.0)
    for number in range(3000):
        record = logging.LogRecord("kombu", logging.ERROR, "", 1, f"error {number}", (), None)
        assert repeats.filter(record)
    assert len(repeats._events) == 1000

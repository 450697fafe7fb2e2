"""qmail's log says in one line whom a delivery is for, and in a later one what became of it: qmail-log(5)."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

MAX_OPEN: Final = 10_000  # deliveries at once; qmail itself has some hundred at most
_START: Final = re.compile(r"\bstarting delivery (\d+): msg \d+ to (?:remote|local) \S+@")
_END: Final = re.compile(r"\bdelivery (\d+): (success|failure|deferral)\b")
_MEANS: Final = {"success": "sent", "failure": "bounced", "deferral": "deferred"}


def join(records: Iterable[str]) -> Iterator[str]:
    """Yield the entries of any log, those of qmail with what became of the email.

    A delivery without an end may still be sent: it counts as deferred.
    """
    begun: dict[str, str] = {}
    for record in records:
        if "delivery " not in record:
            yield record
        elif start := _START.search(record):
            if start[1] in begun:  # qmail counts from 1 again when it is restarted
                yield _entry(begun.pop(start[1]), "deferral")
            if len(begun) >= MAX_OPEN:
                yield _entry(begun.pop(next(iter(begun))), "deferral")
            begun[start[1]] = record
        elif end := _END.search(record):  # without its beginning, the reply may still name the recipient
            yield _entry(begun.pop(end[1], record), end[2])
        else:
            yield record
    yield from (_entry(record, "deferral") for record in begun.values())


def _entry(record: str, end: str) -> str:
    return f"{record.rstrip()} status={_MEANS[end]}"

"""What an entry of a provider's log says became of its email."""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Final

from digest.audience.importing.reading import phrases
from digest.audience.importing.reading.folding import fold_words
from digest.delivery.ledger.log_header import LogHeader

Meanings = Mapping[str, "LogEvent"]  # by folded word


class LogEvent(IntEnum):
    """What became of an email. Where an entry says several things, the greatest counts."""

    UNSTATED = 0  # a list of what was sent need not say so
    ACCEPTED = 1
    DEFERRED = 2  # may still be sent
    REFUSED = 3


def meanings(sent: Iterable[str], refused: Iterable[str]) -> dict[str, LogEvent]:
    """Return what a person says that words of a log mean."""
    return {fold_words(word): LogEvent.ACCEPTED for word in sent} | {
        fold_words(word): LogEvent.REFUSED for word in refused
    }


def _words(text: str) -> frozenset[str]:
    return frozenset(fold_words(word) for word in text.split(","))


_WORDS: Final = {
    LogEvent.ACCEPTED: _words("""
sent, send, delivered, delivery, accepted, accept, processed, success, successful, succeeded, ok, queued,
relayed, relay, injected, injection, completed, complete, submitted, submission, received, passed,
transmitted, delivered to mailbox, open, opened, opens, unique opened, first opening, initial open, amp open,
click, clicked, clicks, link click, clicktracked, loaded by proxy, request, requests, unsubscribe,
unsubscribed, group unsubscribe, list unsubscribe, subscription change, complaint, complained, spam complaint,
spam report, spamreport, reported as spam, deliverable, expanded, receive, deliver, submit, transfer, expand,
resolve, redirect, process, load, haredirect, hareceive, hadiscard, agentinfo, notifymapi, duplicatedeliver,
duplicateexpand, duplicateredirect"""),
    LogEvent.DEFERRED: _words("""
deferred, deferral, delayed, delay, delivery delayed, deliverydelay, delivery delay, temporary fail, temporary
failure, temp fail, tempfail, temporary, transient, retry, retrying, retried, pending, scheduled, waiting, in
progress, held, hold, on hold, soft bounce, soft bounced, softbounce, softbounces, greylisted, paused,
sending, unknown, defer, agentdefer, submitdefer, throttle, resubmit, safetynetresubmit, dsn"""),
    LogEvent.REFUSED: _words("""
bounced, bounce, bounces, hard bounce, hard bounced, hardbounce, hardbounces, hard, permanent, permanent fail,
permanent failure, rejected, reject, rejection, refused, denied, dropped, drop, discarded, discard, failed,
fail, failure, blocked, block, blacklisted, invalid, invalid email, error, suppressed, suppression,
undeliverable, undelivered, not delivered, not sent, unsent, expired, rendering failure, renderingfailure, out
of band, policy rejection, generation failure, generation rejection, cancelled, canceled, aborted, timeout,
timed out, user unknown, host unknown, service unavailable, data format error, returned, removed, badmail,
poisonmessage, submitfail"""),
}
WORDS: Final[dict[str, LogEvent]] = {word: event for event, words in _WORDS.items() for word in words}
_COLUMNS: Final = _words("""
event, event type, eventtype, event name, status, delivery status, email status, message status, last event,
action, dsn action, st text, result, outcome, disposition, state, notification type, notificationtype, record type,
recordtype, delivery state, smtp status""")
# Exchange's name for it, which elsewhere is a number.
_EXCHANGE_COLUMNS: Final = _words("event id, eventid")
_EXCHANGE_MARK: Final = _words("internal message id, internalmessageid")
# Keys of words in lines and in JSON. Each begins with letters that are looked for first, since most lines have few.
_VALUE: Final = r"""["']?\s*[=:]\s*["']?([a-z][a-z _.-]{0,30}|[2-5]\d\d\b)"""
_KEYS: Final = {
    start: re.compile(
        rf"(?<![a-z0-9])((?:delivery_|message_|email_|last_|notification_?|record_?)?{start}{rest}){_VALUE}"
    )
    for start, rest in {
        "stat": "(?:us)?",
        "event": "(?:[_-]?type)?",
        "action": "",
        "result": "",
        "outcome": "",
        "disposition": "",
        "severity": "",
        "type": "",
    }.items()
}
# Of other things as well: a word that is not understood there says nothing.
_WEAK_KEYS: Final = frozenset({"type", "severity", "result", "action"})
_EXIM: Final = {" => ": "sent", " -> ": "sent", " >> ": "sent", " ** ": "bounced", " == ": "deferred"}
_NEGATIONS: Final = frozenset({"not", "no", "never", "without"})
_CODES: Final = {"2": LogEvent.ACCEPTED, "4": LogEvent.DEFERRED, "5": LogEvent.REFUSED}


class EventReader:
    """Reads the entries of one log; its header may name the column of events."""

    def __init__(self, meanings: Meanings | None = None) -> None:
        self._meanings = WORDS | dict(meanings or {})
        self.header = LogHeader()
        self._column: int | None = None

    def read(self, record: str) -> tuple[LogEvent, str]:
        """Return what an entry says, and the word of it that is not understood, or an empty one."""
        if self.header.read(record):
            self._column = _find_column(self.header.names)
        said = list(_text_words(record) if self._column is None else self._column_words(record, self._column))
        events = [self._event(word) for word, _ in said]
        unknown = [
            word for (word, is_weak), event in zip(said, events, strict=True) if event is None and not is_weak
        ]
        known = [event for event in events if event is not None]
        return max(known, default=LogEvent.UNSTATED), unknown[0].strip() if unknown and not known else ""

    def _column_words(self, record: str, column: int) -> Iterable[tuple[str, bool]]:
        return ((cell, False) for cell in self.header.cells(record, [column]))

    def _event(self, word: str) -> LogEvent | None:
        if word[:1] in _CODES:
            return _CODES[word[0]]
        folded = fold_words(word).removeprefix("email ").removeprefix("message ")
        whole = self._meanings.get(folded)
        return self._by_parts(folded.split()) if whole is None else whole

    def _by_parts(self, words: list[str]) -> LogEvent | None:
        """Read "delivery failed" and "accepted by mx.example.org"; None when it may mean anything."""
        events = [self._meanings.get(word) for word in words]
        known = [event for event in events if event is not None]
        if not known or not _NEGATIONS.isdisjoint(words):
            return None
        goes_on = events[0] is not None and words[1] in phrases.PREPOSITIONS | {"to"}
        return max(known) if max(known) > LogEvent.ACCEPTED or None not in events or goes_on else None


def _find_column(names: list[str]) -> int | None:
    wanted = _COLUMNS if _EXCHANGE_MARK.isdisjoint(names) else _EXCHANGE_COLUMNS
    return next((n for n, name in enumerate(names) if name in wanted), None)


def _text_words(record: str) -> Iterator[tuple[str, bool]]:
    """Yield the words of an entry that may be events, and whether another word there would mean nothing."""
    lower = record.lower()
    source = record if len(record) == len(lower) else lower
    for start, pattern in _KEYS.items():
        if start in lower:
            for match in pattern.finditer(lower):
                yield source[match.start(2) : match.end(2)], match[1] in _WEAK_KEYS
    yield from ((word, False) for mark, word in _EXIM.items() if mark in record)
    if "reject:" in lower:  # Postfix's smtpd and milters
        yield "rejected", False

"""Statements inside a cell, under names of their own: `newsletter:no`, {"optin": false}, subscribed=0;lang=en."""

import re
from functools import lru_cache
from typing import Final

from digest.audience.importing.reading import dates, vocabulary
from digest.audience.importing.reading.columns import Column, classify
from digest.audience.importing.reading.folding import fold_word
from digest.audience.importing.reading.statuses import Answer, ImportStatus, NameSense, Role

MAX_CHARS: Final = 4000
_PAIR: Final = re.compile(
    r"""([^\W\d_][\w .-]{0,40}?)["']?\s*[:=]\s*["']?([^\s"',;|{}\[\]&:=][^"',;|{}\[\]&:=]{0,24})"""
)
_TAG: Final = re.compile(
    r"([^\W\d_]{2,20})[_ -](no|off|out|false|nein|non|0)", re.IGNORECASE
)  # newsletter_off
_NAMES: Final = 1000  # kept; a file with more different ones is classified more slowly


def may_hold(text: str) -> bool:
    """Whether a cell is worth reading: most hold no pair."""
    if len(text) > MAX_CHARS or text[:1].isdigit():  # a date
        return False
    return ":" in text or "=" in text or _TAG.fullmatch(text) is not None


def read(text: str) -> ImportStatus | None:
    """Return what the pairs of a cell say together; None when one is about email and its answer may mean either."""
    tag = _TAG.fullmatch(text)
    found = [tag.groups()] if tag else _PAIR.findall(text)
    said = [_read_pair(name.strip(), value.strip()) for name, value in found]
    worst = max((status for status in said if status), default=ImportStatus.UNSTATED)
    return None if None in said and worst == ImportStatus.UNSTATED else worst


def _read_pair(name: str, value: str) -> ImportStatus | None:
    column = _column(name)
    if column is None:
        return ImportStatus.UNSTATED
    word = fold_word(value)
    said = {"0": Answer.NO, "1": Answer.YES}.get(word) or vocabulary.ANSWER_OF.get(word)
    if column.is_negated or column.sense in {NameSense.CONTACT, NameSense.ENDING}:
        return None if said in {Answer.YES, Answer.NO} else ImportStatus.UNSTATED
    if column.role == Role.OPT_OUT:
        return _read_opt_out(column, said, value)
    if column.role == Role.OPT_IN and said == Answer.NO:
        return ImportStatus.UNSUBSCRIBED
    is_status = column.role in {Role.OPT_IN, Role.STATUS}
    return vocabulary.UNMISTAKABLE.get(word, ImportStatus.UNSTATED) if is_status else ImportStatus.UNSTATED


def _read_opt_out(column: Column, said: Answer | None, value: str) -> ImportStatus | None:
    if said == Answer.YES or column.takes_text or dates.is_date(value):
        return column.outcome
    return ImportStatus.UNSTATED if said or dates.is_zero_date(value) else None


@lru_cache(_NAMES)
def _column(name: str) -> Column | None:
    """Return what a name is for; None when its answers say nothing about email."""
    column = classify(0, name)
    is_about_email = column.sense in {NameSense.CONTACT, NameSense.ENDING}
    return column if is_about_email or column.role in {Role.OPT_IN, Role.OPT_OUT, Role.STATUS} else None

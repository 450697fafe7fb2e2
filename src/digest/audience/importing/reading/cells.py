"""What one cell says about its row, given what its column is for."""

import re
from collections.abc import Callable
from typing import Final

from digest.audience.importing.reading import dates, pairs, phrases, vocabulary
from digest.audience.importing.reading.columns import Column
from digest.audience.importing.reading.folding import fold_word, fold_words
from digest.audience.importing.reading.statuses import OPT_OUTS, Answer, ImportStatus, Role

MAX_CHARS: Final = 80  # a longer text is a note, no status
MAX_SENTENCE_CHARS, MIN_SPACES = 160, 2  # of a sentence in a note
_ALSO_NAMES: Final = frozenset({"baja", "baixa", "dnc", "stop"})  # "Baja, California"
MAX_PHRASE_WORDS: Final = 3  # of an opt-out at the beginning of a text
_NUMBER: Final = re.compile(r"[+-]?\d{1,12}(?:[.,]\d{1,6})?")
_DATED: Final = re.compile(
    r"(\D{3,40}?)[\s:,;(\[-]*(?:on |am |at |le |el |il |op )?(?!0\W*$)\d[\d\s.:,/TZ+\-)\]]*"
)
_LIST: Final = re.compile(r"[;|]+")
MAX_LIST_CHARS: Final = 4000
_CJK: Final = "\u2e80"  # from here on words are not separated
_CLAUSE: Final = re.compile(r"([^,.;(\[\n]*?)(\s-|[,.;(\[\n]|$)")
_ASIDE: Final = re.compile(
    r"[(\[]([^()\[\]]{3,40})[)\]]|\s[-\u2013\u2014]\s([^()\[\]]{3,40})$"
)  # "Bob (do not email)"
_TAGS: Final = re.compile(r'[,;|\[\]"]+')
_HEADS: Final = frozenset(
    word[:2] for word in vocabulary.UNMISTAKABLE
)  # most cells are ruled out by two letters
_FIRST_WORDS: Final = frozenset(
    fold_word(entry.split(" ")[0])
    for entries in vocabulary.statuses("opt_out_words").values()
    for entry in entries
)
_SOFT: Final = frozenset({"soft", "transient", "temporary", "softbounce", "softbounced"})
_ENDED: Final = frozenset(
    {"until", "till", "no", "not", "never", "bis", "hasta", "fino", "tot", "ended", "expired", "then"}
)
_CLEARLY_IN: Final = frozenset(
    {"subscribed", "optedin", "optin", "allow", "abonniert", "angemeldet", "abonne", "suscrito"}
)


def interpret(column: Column, cell: str) -> ImportStatus | None:
    """Return what a cell says, UNSTATED for nothing, None if it should say something but is not understood."""
    text = cell.strip()
    if column.role == Role.OTHER_CHANNEL:
        return ImportStatus.UNSTATED
    reader = _READERS.get(column.role)
    if reader is None and not column.words:
        return _said_anywhere(text)
    word = fold_word(text) if len(text) <= MAX_CHARS else text[:MAX_CHARS]
    if word in column.words:
        return column.words[word]
    return reader(column, text, word) if reader else _said_anywhere(text)


def _said_anywhere(text: str) -> ImportStatus | None:
    """Return what a cell says in a column of another subject; None if a pair in it is not understood."""
    said = unmistakable(text)
    return pairs.read(text) if said == ImportStatus.UNSTATED and pairs.may_hold(text) else said


def unmistakable(text: str) -> ImportStatus:
    """Return the opt-out that a cell states in so many words, whatever its column; UNSTATED for anything else."""
    if (";" in text or "|" in text) and len(text) <= MAX_LIST_CHARS:  # a list, as of categories
        return max(map(unmistakable, _LIST.split(text)))
    return (
        _phrase(text)
        or _aside(text)
        or (_sentence(text) if _may_be_sentence(text) else ImportStatus.UNSTATED)
    )


def _phrase(text: str) -> ImportStatus | None:
    """Return the opt-out that a text is or begins with: "unsubscribed", "Unsubscribed from the weekly mail"."""
    head = text[:2].lower()
    if len(text) > MAX_CHARS or (text.isascii() and head.isalnum() and head not in _HEADS):
        return None
    found = vocabulary.UNMISTAKABLE.get(fold_word(text))
    if found is None and (dated := _DATED.fullmatch(text.strip())):
        found = vocabulary.UNMISTAKABLE.get(fold_word(dated[1]))
    return found if found is not None else _beginning(text)


def _beginning(text: str) -> ImportStatus | None:
    if fold_word(text.partition(" ")[0]) not in _FIRST_WORDS:
        return None
    first, punctuation = _CLAUSE.match(text).groups()  # type: ignore[union-attr] # it matches any text
    words = fold_words(first).split()
    for count in range(1, min(MAX_PHRASE_WORDS, len(words)) + 1):
        ends = words[count] in phrases.PREPOSITIONS if count < len(words) else bool(punctuation)
        word = "".join(words[:count])
        found = vocabulary.UNMISTAKABLE.get(word) if ends and word not in _ALSO_NAMES else None
        if found == ImportStatus.UNSUBSCRIBED:  # not "Bounce, Inc."
            return found
    return None


def _aside(text: str) -> ImportStatus | None:
    """Return the opt-out that somebody added to a text, as to a name, in brackets or after a dash."""
    if len(text) > MAX_CHARS or not ("(" in text or "[" in text or text.count(" ") >= MIN_SPACES):
        return None
    words = (fold_word(one or other) for one, other in _ASIDE.findall(text))
    said = (vocabulary.UNMISTAKABLE.get(word) for word in words if word not in _ALSO_NAMES)
    return next((status for status in said if status == ImportStatus.UNSUBSCRIBED), None)


def _may_be_sentence(text: str) -> bool:
    """Whether a text is worth searching: most hold no word that a refusal needs."""
    if len(text) > MAX_SENTENCE_CHARS:
        return False
    if text.count(" ") >= MIN_SPACES:
        return not text.isascii() or not phrases.REFUSALS.isdisjoint(text.lower().split())
    return not text.isascii() and max(text) >= _CJK


def _sentence(text: str) -> ImportStatus:
    is_refusal = phrases.SENTENCES.search(fold_words(text))
    return ImportStatus.UNSUBSCRIBED if is_refusal else ImportStatus.UNSTATED


def answer(text: str, word: str) -> Answer | None:
    """Return the cell's answer to a yes-or-no question; None for any other text."""
    if word in vocabulary.ANSWER_OF:
        return vocabulary.ANSWER_OF[word]
    if dates.is_zero_date(text) and not text.isdigit():
        return Answer.EMPTY
    if word.isdigit() and not word.strip("0"):
        return Answer.NO
    if _NUMBER.fullmatch(text) and float(text.replace(",", ".")) == 1:
        return Answer.YES
    if not dates.is_date(text):
        return None
    return Answer.DATE if dates.has_only_date_words(text) else _before_a_date(text)


def _before_a_date(text: str) -> Answer | None:
    """Read "No (2021-01-01)" and "yes, 2021-01-01"; None for any other word with a date."""
    first = fold_words(text).partition(" ")[0]
    return vocabulary.ANSWER_OF.get(first)


def _membership(column: Column, text: str, word: str) -> ImportStatus | None:
    status = vocabulary.STATUS_OF.get(word)
    if status is None and word in vocabulary.PLAN_WORDS:
        status = ImportStatus.SUBSCRIBED
    said = answer(text, word) if status is None else None
    if column.is_negated and (status or said not in {None, Answer.EMPTY}):
        return None
    match said:
        case Answer.YES:
            return ImportStatus.SUBSCRIBED
        case Answer.NO:
            return ImportStatus.UNSUBSCRIBED
        case Answer.EMPTY:
            return column.empty
        case Answer.DATE if column.role == Role.OPT_IN or column.is_dated:
            return ImportStatus.SUBSCRIBED if column.role == Role.OPT_IN else ImportStatus.UNSTATED
    return status or _by_phrase(text)


def _confirmation(column: Column, text: str, word: str) -> ImportStatus | None:
    status = vocabulary.STATUS_OF.get(word)
    if status is not None:
        return ImportStatus.UNSTATED if status == ImportStatus.SUBSCRIBED else status
    said = answer(text, word)
    if said == Answer.EMPTY:
        return column.empty
    if said == Answer.NO:
        return ImportStatus.NOT_SUBSCRIBED
    return ImportStatus.UNSTATED if said else _by_phrase(text)


def _opt_out(column: Column, text: str, word: str) -> ImportStatus | None:
    said = answer(text, word)
    if said == Answer.EMPTY:
        return ImportStatus.UNSTATED if column.is_negated else ImportStatus.SUBSCRIBED
    status = vocabulary.STATUS_OF.get(word)
    if status in OPT_OUTS:
        return column.outcome if status == ImportStatus.UNSUBSCRIBED else max(status, column.outcome)
    if column.is_negated:
        return None
    is_soft = word in _SOFT and column.outcome == ImportStatus.BOUNCED
    if said == Answer.NO or word in _CLEARLY_IN or is_soft:
        return ImportStatus.SUBSCRIBED
    return column.outcome if said or _is_evidence(column, text) else _by_phrase(text)


def _is_evidence(column: Column, text: str) -> bool:
    """Whether this text in an opt-out column can only be there because of the opt-out: a reason, a time, a count."""
    if column.takes_text:
        return True
    if column.is_dated and any(map(str.isdigit, text)):
        return True
    return bool(_NUMBER.fullmatch(text)) and fold_words(column.name).split()[-1] in phrases.COUNT_WORDS


def _tags(_: Column, text: str, __: str) -> ImportStatus | None:
    said = [_said_anywhere(tag.strip()) for tag in _TAGS.split(text)]
    if pairs.may_hold(text):  # JSON, which the splitting tears
        said.append(pairs.read(text))
    worst = max((status for status in said if status), default=ImportStatus.UNSTATED)
    return None if None in said and worst == ImportStatus.UNSTATED else worst


def _date(_: Column, text: str, word: str) -> ImportStatus:
    is_no = vocabulary.ANSWER_OF.get(word) == Answer.NO
    return ImportStatus.UNSUBSCRIBED if is_no else unmistakable(text)


def _by_phrase(text: str) -> ImportStatus | None:
    """Read a status that is part of a longer text: "Unsubscribed by an admin", "Subscribed via the form"."""
    if len(text) > MAX_CHARS:
        return None
    folded = fold_words(text)
    for outcome, pattern in phrases.OPT_OUT.items():
        match = pattern.search(folded)
        if match and not phrases.NEGATION.search(folded[: match.start()]) and "soft" not in folded.split():
            return outcome
    first, *rest = folded.split() or [""]
    if rest and (status := vocabulary.STATUS_OF.get(first)) and status in OPT_OUTS:  # "revoked 2021-01-01"
        return status
    return ImportStatus.SUBSCRIBED if first in _CLEARLY_IN and not _ENDED & set(rest) else None


_READERS: Final[dict[Role, Callable[[Column, str, str], ImportStatus | None]]] = {
    Role.STATUS: _membership,
    Role.OPT_IN: _membership,
    Role.CONFIRMED: _confirmation,
    Role.OPT_OUT: _opt_out,
    Role.TAGS: _tags,
    Role.CONSENT_DATE: _date,
}

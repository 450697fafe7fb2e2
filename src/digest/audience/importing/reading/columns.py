"""What a column is for, by its name alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from digest.audience.importing.reading import phrases
from digest.audience.importing.reading.folding import fold_words
from digest.audience.importing.reading.name_sense import sense_of
from digest.audience.importing.reading.statuses import ImportStatus, NameSense, Role

_BOTH: Final = re.compile(
    r"(?<!\w)(?:opt(?:ed)? ?in|subscribed?|angemeldet|abonne|suscrit[oa]|iscritt[oa])(?!\w)"
)
_TOWNS: Final = {"baja": ImportStatus.UNSTATED}  # in Hungary; elsewhere it says that somebody left
_CONSENT: Final = (phrases.OPT_IN, phrases.CONFIRMED, phrases.STATUS, *phrases.OPT_OUT.values())
_SENT_COUNT: Final = re.compile(r"e ?mails (?:sent|delivered|opened|clicked|bounced|replied|received)")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file."""

    index: int
    name: str
    role: Role
    outcome: ImportStatus = ImportStatus.UNSUBSCRIBED  # of a yes in an OPT_OUT column
    is_weak: bool = False  # the name alone is no proof: the cells must be statuses too
    is_negated: bool = False  # "not unsubscribed": a yes may mean either
    is_dated: bool = False
    takes_text: bool = False  # any text is a yes, as in "reason for unsubscribing"
    empty: ImportStatus = ImportStatus.NOT_SUBSCRIBED  # what an empty cell says in a column of statuses
    unknown: ImportStatus | None = None  # what other words say; None: the import asks
    sense: NameSense = NameSense.HARMLESS  # of the name, while the role is IGNORED: what is asked about
    words: Mapping[str, ImportStatus] = field(default_factory=dict)  # what a known tool means by some words


def classify(index: int, name: str) -> Column:
    """Return what a column of this name is for."""
    words = fold_words(name)
    tokens = frozenset(words.split())
    names_email = phrases.EMAIL.search(words) or phrases.BY_CHANNEL.search(words)
    is_other_channel = tokens & phrases.OTHER_CHANNELS and not names_email
    if is_other_channel and any(pattern.search(words) for pattern in _CONSENT):
        return Column(index, name, Role.OTHER_CHANNEL)
    is_about_mail = not is_other_channel and not tokens & phrases.TRACKING_WORDS
    if not words or not is_about_mail or _SENT_COUNT.search(words) or "html" in tokens:
        return Column(index, name, Role.IGNORED, sense=NameSense.HARMLESS if words else NameSense.UNREADABLE)
    if tokens & phrases.LINK_WORDS and not tokens & {"reason", "status"}:
        is_about_contact = any(pattern.search(words) for pattern in _CONSENT)  # "key contact unsubscribed"
        sense = NameSense.UNKNOWN if is_about_contact else NameSense.HARMLESS
        return Column(index, name, _proof_role(words, tokens) or Role.IGNORED, sense=sense)
    return (
        _as_opt_out(index, name, words, tokens)
        or _as_status(index, name, words, tokens)
        or _as_ending(index, name, words, tokens)
        or _as_reversal(index, name, words, tokens)
        or _as_proof(index, name, words, tokens)
        or _as_opt_in(index, name, words, tokens)
        or _as_other(index, name, words, tokens)
    )


def _as_other(index: int, name: str, words: str, tokens: frozenset[str]) -> Column:
    """A column that no name that we know makes one of statuses; in a language that we do not know it may be one."""
    places = _TOWNS if tokens & phrases.PLACE_WORDS else {}
    return Column(index, name, Role.IGNORED, words=places, sense=sense_of(name, words, tokens))


def _as_opt_out(index: int, name: str, words: str, tokens: frozenset[str]) -> Column | None:
    is_dated, takes_text = bool(tokens & phrases.DATE_WORDS), bool(tokens & phrases.REASON_WORDS)
    for outcome, pattern in phrases.OPT_OUT.items():
        match = pattern.search(words)
        if match is None:
            continue
        if outcome == ImportStatus.BOUNCED and tokens & (phrases.COUNT_WORDS | {"soft", "bounces"}):
            return Column(index, name, Role.IGNORED)
        if _BOTH.search(words[: match.start()] + " " + words[match.end() :]) and not is_dated:
            reversal = _as_reversal(index, name, words, tokens)  # "opt-in revoked" is not "opt-in / opt-out"
            return reversal or Column(index, name, Role.STATUS)
        is_negated = bool(phrases.NEGATION.search(words[: match.start()]))
        return Column(
            index,
            name,
            Role.OPT_OUT,
            outcome,
            is_negated=is_negated,
            is_dated=is_dated,
            takes_text=takes_text,
        )
    if tokens & phrases.OPT_OUT_VERBS and tokens <= phrases.PERSON_WORDS | phrases.OPT_OUT_VERBS:
        return Column(index, name, Role.OPT_OUT, is_dated=is_dated, takes_text=takes_text)
    return None


def _as_status(index: int, name: str, words: str, tokens: frozenset[str]) -> Column | None:
    match = phrases.STATUS.search(words)
    if match is None:
        return None
    is_region = match[0] in {"state", "estado", "stato", "stand", "stav", "standing"}
    is_about_mail = bool(
        phrases.OPT_IN.search(words) or phrases.EMAIL.search(words) or tokens & {"subscriber", "recipient"}
    )
    is_weak = bool(tokens & phrases.UNRELATED_WORDS) or (is_region and not is_about_mail)
    is_dated = bool(tokens & phrases.DATE_WORDS)  # it may say when the status changed
    sense = NameSense.HARMLESS if tokens & phrases.UNRELATED_WORDS else NameSense.UNKNOWN
    return Column(index, name, Role.STATUS, is_weak=is_weak, is_dated=is_dated, sense=sense)


def _as_ending(index: int, name: str, words: str, tokens: frozenset[str]) -> Column | None:
    """A column such as "subscribed until" or "consent deleted", whose yes is no consent."""
    is_ending = sense_of(name, words, tokens) == NameSense.ENDING
    return Column(index, name, Role.IGNORED, sense=NameSense.ENDING) if is_ending else None


def _as_reversal(index: int, name: str, words: str, tokens: frozenset[str]) -> Column | None:
    """A column such as "consent refused", whose yes is no consent either."""
    is_consent = (
        phrases.OPT_IN.search(words) or phrases.CONFIRMED.search(words) or tokens & phrases.LIKELY_OPT_IN
    )
    if not is_consent or not phrases.REVERSAL.search(words):
        return None
    return Column(index, name, Role.IGNORED, sense=NameSense.ENDING)


def _as_proof(index: int, name: str, words: str, tokens: frozenset[str]) -> Column | None:
    """What proves the original consent, and tags."""
    role = _proof_role(words, tokens)
    return None if role is None else Column(index, name, role, is_dated=True)


def _proof_role(words: str, tokens: frozenset[str]) -> Role | None:
    if phrases.TAGS.search(words):
        return Role.TAGS
    if tokens & {"ip", "ipaddress"}:
        return Role.CONSENT_NETWORK
    if phrases.SOURCE.search(words) and not tokens & phrases.DATE_WORDS:
        return Role.CONSENT_SOURCE
    if tokens & (phrases.DATE_WORDS | {"entered", "created", "joined"}) and phrases.SIGN_UP.search(words):
        return Role.CONFIRMED if phrases.CONFIRMED.search(words) else Role.CONSENT_DATE
    return None


def _as_opt_in(index: int, name: str, words: str, tokens: frozenset[str]) -> Column | None:
    if phrases.CONFIRMED.search(words) and "password" not in tokens:
        return Column(index, name, Role.CONFIRMED)
    if tokens & phrases.ACTIVE_WORDS and tokens <= phrases.PERSON_WORDS | phrases.ACTIVE_WORDS - {
        "date",
        "time",
    }:
        is_activation = tokens & {"activated", "aktiviert"}  # by the link in a confirmation letter
        return Column(index, name, Role.CONFIRMED if is_activation else Role.OPT_IN)
    match = phrases.OPT_IN.search(words)
    is_likely = bool(tokens & phrases.LIKELY_OPT_IN)
    if tokens & phrases.PLAN_WORDS and (match or not is_likely):  # a plan's "no" is no opt-out
        is_consent = match and not tokens & phrases.OFFER_WORDS
        sense = NameSense.CONTACT if is_consent else sense_of(name, words, tokens)
        return Column(index, name, Role.STATUS, is_weak=True, sense=sense)
    if match is None:
        return _as_likely(index, name, tokens) if is_likely else None
    is_weak = words in {"subscription", "subscribe"}
    is_negated = bool(phrases.NEGATION.search(words[: match.start()]))
    sense = NameSense.CONTACT if is_weak else NameSense.HARMLESS
    return Column(index, name, Role.OPT_IN, is_weak=is_weak, is_negated=is_negated, sense=sense)


def _as_likely(index: int, name: str, tokens: frozenset[str]) -> Column:
    """A column such as "Newsletter", of yes and no; but it may as well say which newsletter, or how often."""
    words = fold_words(name)
    if tokens & phrases.SUBJECTS:  # "newsletter language"
        return Column(index, name, Role.IGNORED)
    sense = NameSense.ENDING if phrases.ENDING.search(words) else NameSense.CONTACT
    return Column(index, name, Role.OPT_IN, is_weak=True, sense=sense)

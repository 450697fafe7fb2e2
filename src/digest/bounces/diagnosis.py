"""What the reply of a mail server means for the address: its words decide before its codes.

Codes alone would call half of all refusals final: many servers answer 5.1.1 when they block a sender, and 5.7.1 when
they do not know the user. An enhanced status code (RFC 3463) decides where no words do.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from digest.bounces.addresses import without_addresses, without_urls
from digest.bounces.report import Kind
from digest.bounces.vocabulary import PROVIDER_RULES, RULES, Rule

MAX_REPLY: Final = 2_000  # characters of a reply that are read
_STATUS: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_CODE: Final = re.compile(r"(?<![\d.])([245]\d\d)(?=[ -]|$)")
_AFTER_DATA: Final = re.compile(
    r"\b(?:end\s+of\s+data|data\s+command|after\s+data|reply\s+to\s+data|554 5\.0\.0 service unavailable)",
    re.IGNORECASE,
)
_HOST: Final = re.compile(r"\b[\w-]+(?:\.[\w-]+)+\.[a-z]{2,6}\b(?!_)")
# Codes that say what happened; the rest of their class says only that something failed.
_GONE: Final = frozenset({"5.1.1", "5.1.6", "5.1.10"})
_OUR_FAULT: Final = re.compile(r"[45]\.(?:7\.\d+|6\.\d+|2\.3|3\.4|1\.[78]|5\.[1-5])$")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a mail server answered, or what a mail system wrote about it."""

    text: str
    status: str | None = None  # from a field of its own; a code in the text is nearer to the reply
    host: str = ""  # the mail server that answered, or the domain of the address
    context: str = ""  # what a mail system wrote about the reply, such as the command that was answered
    is_prose: bool = False  # a text for people rather than an answer of a server


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a reply means."""

    kind: Kind
    status: str | None
    is_certain: bool  # words or a telling code decided, not a code that fits anything
    has_words: bool = False


def diagnose(reply: Reply) -> Diagnosis:
    """Return what a reply to an email that failed means."""
    status = find_status(reply.text) or reply.status
    words = _words(reply.text)
    rule = next(
        (rule for rule in RULES if _applies(rule, reply, status) and rule.phrases.search(words)), None
    )
    by_provider = _provider_rule(words, reply)
    is_blocked = rule is not None and rule.kind is Kind.BLOCK
    if by_provider is not None and not (is_blocked and by_provider.kind is Kind.HARD):
        return Diagnosis(by_provider.kind, status, is_certain=True, has_words=True)
    if rule is None:
        return _by_code(status)
    kind = rule.kind
    if kind is Kind.HARD and (_is_temporary(reply, status, words) or _is_after_data(reply, status)):
        kind = Kind.SOFT
    return Diagnosis(kind, status, is_certain=True, has_words=True)


def _applies(rule: Rule, reply: Reply, status: str | None) -> bool:
    return not (rule.is_for_replies and reply.is_prose) and not (rule.is_below_codes and status in _GONE)


def _provider_rule(words: str, reply: Reply) -> Rule | None:
    matching = (rule for rule in PROVIDER_RULES if rule.host and rule.host.search(reply.host.lower()))
    context = f"{words} {reply.context.lower()}"
    return next((rule for rule in matching if rule.phrases.search(context)), None)


def _is_temporary(reply: Reply, status: str | None, words: str) -> bool:
    """Whether the server may think differently tomorrow, whatever its words say: a code of class 4."""
    code = _CODE.search(words)
    said = find_status(reply.text) or (
        code[1] if code and not reply.is_prose else None
    )  # nearer than a field
    return (said or status or (code[1] if code else "")).startswith("4")


def _is_after_data(reply: Reply, status: str | None) -> bool:
    """Whether the server took the address and refused the email: a filter may then say that it knows no such user."""
    return status not in _GONE and _AFTER_DATA.search(f"{reply.text}\n{reply.context}") is not None


def _by_code(status: str | None) -> Diagnosis:
    if status in _GONE:
        return Diagnosis(Kind.HARD, status, is_certain=True)
    if status is not None and _OUR_FAULT.match(status):
        return Diagnosis(Kind.BLOCK, status, is_certain=True)
    return Diagnosis(Kind.SOFT, status, is_certain=False)


def find_status(text: str) -> str | None:
    """Return the enhanced status code in a text, if there is one."""
    found = _STATUS.search(text[:MAX_REPLY])
    return found[1] if found else None


def _words(text: str) -> str:
    """Fold a reply to what the rules match: names of hosts and addresses could look like words."""
    folded = unicodedata.normalize("NFC", text[:MAX_REPLY]).lower().replace("\u2019", "'")
    return " ".join(_HOST.sub(" ", without_addresses(without_urls(folded))).split())

"""Email addresses: validation, normalization for comparison, and masking for display."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna
from email_validator import EmailNotValidError, ValidatedEmail, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from digest.errors import BadInput

MAX_LOCAL_PART = 64  # octets, RFC 5321 4.5.3.1.1
MAX_ADDRESS = 254  # octets, RFC 5321 4.5.3.1.3 less the angle brackets
# Not mailboxes of readers: RFC 2142 reserves the first two for complaints, the others bounce or loop.
REFUSED_LOCAL_PARTS = frozenset(
    {"abuse", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply", "mailer-daemon"}
)
PROVIDERS = (
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com",
    "protonmail.com", "fastmail.com", "hotmail.co.uk", "yahoo.co.uk", "t-online.de",
)  # fmt: skip
NOT_TYPOS = frozenset(
    {"ymail.com", "mail.com", "email.com", "gmx.com", "hushmail.com", "aol.com", "live.com"}
)
# The fast path for nearly every address: no Unicode, quoting or Punycode.
_PLAIN = re.compile(
    r"([a-z0-9_!#$%&'*+\-/=?^`{|}~]+(?:\.[a-z0-9_!#$%&'*+\-/=?^`{|}~]+)*)@([a-z0-9.\-]+)",
    re.ASCII | re.IGNORECASE,
)
# "Ada Lovelace <ada@example.org>", as mail programs copy it.
_DISPLAY_NAME = re.compile(r"[^<>]*<([^<>]+)>")
# Characters of Unicode's category Cf show nothing, but travel with text copied from web pages and mail programs.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_SCHEME = "mailto:"
_AROUND = " \t\r\n,;"  # what separates addresses in a list, and may be copied along
# Scripts that are commonly mixed; any other mixture within a label suggests spoofing (UTS 39, 5.2).
_COMPATIBLE_SCRIPTS = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address as it is mailed (ASCII domain), and the key that is equal for two spellings of one mailbox."""

    address: str
    key: str


def normalize(address: str) -> Address:
    """Validate a typed or imported address, without DNS. Dots and plus tags stay: they may name another mailbox.

    The key is the case-folded local part in NFC, and the ASCII domain.
    Raises BadInput with a one-line message when it cannot be mailed (RFC 5321, 5322, 6531; RFC 2142 for roles).
    """
    plain = _PLAIN.fullmatch(address) if len(address) <= MAX_ADDRESS else None
    if plain is None or address[-1] == ".":
        address = clean(address)
        plain = _PLAIN.fullmatch(address) if len(address) <= MAX_ADDRESS else None
    if "=?" in address:  # mail programs may decode it as an encoded-word (RFC 2047)
        raise BadInput("an email address must not contain =?")
    if plain and len(plain[1]) <= MAX_LOCAL_PART:
        domain = plain[2].lower()
        if "xn--" not in domain and plain[1].lower() not in CASE_INSENSITIVE_MAILBOX_NAMES:
            return _build_address(plain[1], _plain_domain(domain))
    return _validate_full(address)


def clean(typed: str) -> str:
    """Return the address without what was copied along: invisible characters, `mailto:`, a display name, separators.

    What is left may still be no address; `normalize` decides.
    """
    text = _INVISIBLE.sub("", typed).replace("\uff20", "@").strip()
    if named := _DISPLAY_NAME.fullmatch(text.rstrip(_AROUND + ".")):
        text = named[1].strip()
    if text[: len(_SCHEME)].lower() == _SCHEME:
        text = text[len(_SCHEME) :].partition("?")[0]
    return text.strip(_AROUND).rstrip(_AROUND + ".").strip()


def mask(address: str | None) -> str:
    """Mask an address for pages and logs: `a•••@example.org`; "erased" for an erased one."""
    if not address:
        return "erased"
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def suggest_correction(address: str) -> str | None:
    """Suggest a correction for a provider's misspelt domain (gmial.com), as a hint; None when it looks right."""
    local, _, domain = clean(address).rpartition("@")
    domain = domain.lower()
    if not local or domain in PROVIDERS or domain in NOT_TYPOS:
        return None
    for provider in PROVIDERS:
        if _is_one_typo_apart(domain, provider):
            return f"{local}@{provider}"
    return None


def _validate_full(text: str) -> Address:
    valid = _validate(text)
    _refuse_mixed_scripts(valid.ascii_domain)
    return _build_address(valid.local_part, valid.ascii_domain)


def _validate(text: str) -> ValidatedEmail:
    # Check the length first: the library's running time grows with it.
    if len(text) > MAX_ADDRESS:
        raise BadInput("this address is too long: an email address has at most 254 characters")
    try:
        return validate_email(text, strict=True, check_deliverability=False)
    except EmailNotValidError as error:
        raise BadInput(_one_line(error)) from None


@lru_cache(maxsize=20_000)
def _plain_domain(domain: str) -> str:
    """Validate a domain. Cached, because most readers share a few domains and the local part does not matter here."""
    return _validate(f"a@{domain}").ascii_domain


def _build_address(local: str, domain: str) -> Address:
    if local.partition("+")[0].casefold() in REFUSED_LOCAL_PARTS:
        raise BadInput(f"{local}@ is not a person's mailbox; please enter an address that somebody reads")
    # Normalize last: case-folding may undo the composition.
    key = local.lower() if local.isascii() else unicodedata.normalize("NFC", local.casefold())
    return Address(f"{local}@{domain}", f"{key}@{domain}")


def _refuse_mixed_scripts(ascii_domain: str) -> None:
    for label in ascii_domain.split("."):
        if not label.startswith("xn--"):
            continue
        shown = idna.decode(label)
        scripts = {unicodedata.name(c, "?").split()[0] for c in shown if c.isalpha()}
        if len(scripts) > 1 and not any(scripts <= family for family in _COMPATIBLE_SCRIPTS):
            raise BadInput(f'"{shown}" mixes alphabets that look alike; please check the part after the @')


def _one_line(error: EmailNotValidError) -> str:
    return " ".join(str(error).split())[:300]


def _is_one_typo_apart(typed: str, meant: str) -> bool:
    """Return whether one letter was added, left out or replaced, or two neighbors swapped."""
    if typed == meant or abs(len(typed) - len(meant)) > 1:
        return False
    at = next(
        (i for i, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b), min(len(typed), len(meant))
    )
    rest_typed, rest_meant = typed[at:], meant[at:]
    return (
        rest_typed[1:] == rest_meant
        or rest_typed == rest_meant[1:]
        or rest_typed[1:] == rest_meant[1:]
        or (rest_typed[:2] == rest_meant[1::-1] and rest_typed[2:] == rest_meant[2:])
    )

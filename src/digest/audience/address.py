"""What counts as an address: what is mailed, what is compared, and what is shown."""

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
# Nobody reads news there: RFC 2142 gives the first two to complaints, the others bounce or loop.
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
# What nearly every address looks like: nothing here needs Unicode, quoting or Punycode.
_PLAIN = re.compile(
    r"([a-z0-9_!#$%&'*+\-/=?^`{|}~]+(?:\.[a-z0-9_!#$%&'*+\-/=?^`{|}~]+)*)@([a-z0-9.\-]+)",
    re.ASCII | re.IGNORECASE,
)
# Scripts that are written together; any other mixture within one label is a disguise (UTS 39, 5.2).
_COMPATIBLE_SCRIPTS = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address as it is mailed (ASCII domain), and the key by which two spellings are one mailbox."""

    address: str
    key: str


def normalize(address: str) -> Address:
    """Check an address as typed or imported; no DNS. Dots and plus-tags stay: they may be another mailbox.

    The key is NFC, case-folded before the @ and the ASCII domain after it.
    Raises BadInput with one friendly line when it cannot be mailed (RFC 5321, 5322, 6531; RFC 2142 for roles).
    """
    text = address.strip()
    plain = _PLAIN.fullmatch(text) if len(text) <= MAX_ADDRESS else None
    if plain and len(plain[1]) <= MAX_LOCAL_PART:
        domain = plain[2].lower()
        if "xn--" not in domain and plain[1].lower() not in CASE_INSENSITIVE_MAILBOX_NAMES:
            return _build_address(plain[1], _plain_domain(domain))
    return _validate_full(text)


def mask(address: str | None) -> str:
    """The address as a page or a log may show it: `a•••@example.org`; "erased" when there is none any more."""
    if not address:
        return "erased"
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def suggest_correction(address: str) -> str | None:
    """A likelier spelling of a well-known provider (gmial.com), as a hint only; None when there is none."""
    local, _, domain = address.strip().rpartition("@")
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
    # The library's time grows with the length, so the limit comes first.
    if len(text) > MAX_ADDRESS:
        raise BadInput("this address is too long: an e-mail address has at most 254 characters")
    try:
        return validate_email(text, strict=True, check_deliverability=False)
    except EmailNotValidError as error:
        raise BadInput(_one_line(error)) from None


@lru_cache(maxsize=20_000)
def _plain_domain(domain: str) -> str:
    """The domain's own checks do not depend on what stands before the @, and most readers share few domains."""
    return _validate(f"a@{domain}").ascii_domain


def _build_address(local: str, domain: str) -> Address:
    if local.partition("+")[0].casefold() in REFUSED_LOCAL_PARTS:
        raise BadInput(f"{local}@ is not a person's mailbox; please give an address that somebody reads")
    # Case-folding may undo the composition, so the form is taken last.
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
    """One letter too many, too few, wrong, or two swapped."""
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

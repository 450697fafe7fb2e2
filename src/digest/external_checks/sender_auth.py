"""What receivers look up before they believe a sender: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 9989)."""

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from digest.errors import Unavailable
from digest.external_checks.dmarc_policy import DmarcRecord, parse_tags, find_policy
from digest.external_checks.dns import txt_records

TIMEOUT_SECONDS: Final = 20.0  # for all the questions about one domain
MIN_KEY_BYTES: Final = (
    140  # of a public key as DNS holds it: a 1024-bit RSA key has 162, a shorter one less
)
GOOD_KEY_BYTES: Final = 260  # a 2048-bit one has 294
# The names that large providers and common servers give their keys.
COMMON_SELECTORS: Final = (
    *("default", "dkim", "mail", "selector1", "selector2", "s1", "s2", "k1", "k2", "k3", "google"),
    *("pm", "smtp", "mandrill", "mailjet", "brevo", "sib", "resend", "zoho", "protonmail", "fm1", "mx"),
)
# What a provider asks its customers to include, by the end of its relay's name.
PROVIDER_SPF_INCLUDES: Final = {
    "amazonaws.com": "amazonses.com",
    "sendgrid.net": "sendgrid.net",
    "mailgun.org": "mailgun.org",
    "gmail.com": "_spf.google.com",
    "google.com": "_spf.google.com",
    "office365.com": "spf.protection.outlook.com",
    "outlook.com": "spf.protection.outlook.com",
    "postmarkapp.com": "spf.mtasv.net",
    "brevo.com": "spf.brevo.com",
    "mailjet.com": "spf.mailjet.com",
    "mandrillapp.com": "spf.mandrillapp.com",
    "sparkpostmail.com": "sparkpostmail.com",
    "zoho.com": "zohomail.com",
    "zoho.eu": "zohomail.eu",
    "fastmail.com": "spf.messagingengine.com",
}

TxtLookup = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class SenderAuthResult:
    """One of the three: how it stands (good, weak, missing, unknown), what was seen, and the record to add."""

    mechanism: str
    status: str
    summary: str
    fix: str = ""
    dns_record: str = ""  # as a zone file has it


def check_sender(domain: str, *, relay: str, selectors: Sequence[str] = (), lookup: TxtLookup = txt_records) -> list[SenderAuthResult]:
    """SPF, DKIM and DMARC of a sender's domain; `relay` is the host that mails go through.

    `selectors` are the names of its DKIM keys; without, the usual ones are tried. A question without an answer is a
    proof of which nothing is known; this never raises.
    """
    until = time.monotonic() + TIMEOUT_SECONDS

    def in_time(name: str) -> Sequence[str]:
        if time.monotonic() > until:
            raise Unavailable("the DNS took too long")
        return lookup(name)

    return [
        _proof("SPF", lambda: _spf(domain, relay, in_time)),
        _proof("DKIM", lambda: _dkim(domain, selectors, in_time)),
        _proof("DMARC", lambda: _dmarc(domain, in_time)),
    ]


def _proof(name: str, find: Callable[[], SenderAuthResult]) -> SenderAuthResult:
    try:
        return find()
    except Unavailable as error:
        return SenderAuthResult(
            name, "unknown", f"{name} could not be looked up: {error}.", "It is asked again within the hour."
        )


def _spf(domain: str, relay: str, ask: TxtLookup) -> SenderAuthResult:
    found = [text for text in ask(domain) if text.lower().split(" ")[0] == "v=spf1"]
    include = next(
        (name for end, name in PROVIDER_SPF_INCLUDES.items() if relay == end or relay.endswith(f".{end}")), None
    )
    part = f"include:{include}" if include else _by_address(relay)
    if not found:
        record = f'{domain}. IN TXT "v=spf1 {part} ~all"'
        return SenderAuthResult("SPF", "missing", f"{domain} has no SPF record.", "Add this record:", record)
    if len(found) > 1:
        seen = f"{domain} has {len(found)} SPF records, and receivers then believe none (RFC 7208, 4.5)."
        return SenderAuthResult("SPF", "weak", seen, "Join them into one.")
    words = found[0].lower().split()
    if {"+all", "all"} & set(words):
        return SenderAuthResult(
            "SPF", "weak", "Its SPF record lets everybody send.", "End it with ~all instead of +all."
        )
    if include and not any(word.lstrip("+").startswith(("include:", "redirect=")) for word in words):
        better = " ".join([words[0], part, *words[1:]])
        seen = f"Its SPF record does not name your provider ({include})."
        return SenderAuthResult("SPF", "weak", seen, "Change it to this:", f'{domain}. IN TXT "{better}"')
    return SenderAuthResult("SPF", "good", f"{domain} has an SPF record.")


def _by_address(relay: str) -> str:
    """The mechanism for a relay that is nobody's that we know; one on this machine sends as the domain's own does."""
    try:
        address = ip_address(relay)
    except ValueError:
        return f"a:{relay}" if "." in relay else "mx"
    return f"ip{address.version}:{address}" if address.is_global else "mx"


def _dkim(domain: str, selectors: Sequence[str], ask: TxtLookup) -> SenderAuthResult:
    keys = [(selector, key) for selector, key in _keys(domain, selectors or COMMON_SELECTORS, ask) if key]
    if not keys:
        return _no_key(domain, selectors)
    selector, key = max(keys, key=lambda pair: len(pair[1]))
    where = f"{selector}._domainkey.{domain}"
    if key.startswith(b"rsa:") and len(key) < GOOD_KEY_BYTES:
        size = "less than 1024" if len(key) < MIN_KEY_BYTES else "about 1024"
        return SenderAuthResult(
            "DKIM",
            "weak",
            f"The DKIM key at {where} has {size} bits.",
            "Let your provider make one of 2048 bits.",
        )
    return SenderAuthResult("DKIM", "good", f"There is a DKIM key at {where}.")


def _no_key(domain: str, selectors: Sequence[str]) -> SenderAuthResult:
    if selectors:
        names = ", ".join(f"{selector}._domainkey.{domain}" for selector in selectors)
        mend = "Your mail provider signs, and shows the value to put there:"
        record = f'{selectors[0]}._domainkey.{domain}. IN TXT "v=DKIM1; k=rsa; p=…"'
        return SenderAuthResult("DKIM", "missing", f"There is no DKIM key at {names}.", mend, record)
    seen = f"{domain} has no DKIM key under any of the usual names."
    mend = "If your provider signs under another name, set DIGEST_DKIM_SELECTOR to it; else add the record it shows:"
    return SenderAuthResult("DKIM", "missing", seen, mend, f'default._domainkey.{domain}. IN TXT "v=DKIM1; k=rsa; p=…"')


def _keys(domain: str, selectors: Sequence[str], ask: TxtLookup) -> Iterator[tuple[str, bytes]]:
    """(selector, its public key) of each that has one; the key is empty when it was revoked (RFC 6376, 3.6.1)."""
    for selector in selectors:
        for text in ask(f"{selector}._domainkey.{domain}"):
            found = parse_tags(text)
            if "p" not in found or found.get("v", "DKIM1") != "DKIM1":
                continue
            try:
                key = base64.b64decode("".join(found["p"].split()), validate=True)
            except (binascii.Error, ValueError):
                continue
            yield selector, (found.get("k", "rsa").encode() + b":" + key if key else b"")


def _dmarc(domain: str, ask: TxtLookup) -> SenderAuthResult:
    found = find_policy(domain, ask)
    if found is None:
        record = f'_dmarc.{domain}. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@{domain}"'
        seen = (
            f"Neither {domain} nor a domain above it has a DMARC record; Gmail, Yahoo and Outlook want one."
        )
        return SenderAuthResult("DMARC", "missing", seen, "Add this record:", record)
    policy, where = _policy(found), f"_dmarc.{found.domain}"
    if policy is None:
        good = f'{where}. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@{found.domain}"'
        return SenderAuthResult("DMARC", "weak", f"The record at {where} has no policy p=.", "Change it to this:", good)
    gone = sorted({"pct", "rf", "ri"} & set(found.tags))
    if gone:
        seen = f"The record at {where} uses {', '.join(gone)}, which RFC 9989 took away."
        return SenderAuthResult("DMARC", "weak", seen, "Leave it out; receivers no longer read it.")
    return SenderAuthResult("DMARC", "good", f"{where} says {policy}.")


def _policy(found: DmarcRecord) -> str | None:
    """The policy for the sender, `p=none` when reports alone are asked for (RFC 9989, 4.7); None: there is none."""
    name = "p" if found.is_own or "sp" not in found.tags else "sp"
    value = found.tags.get(name, "").lower()
    if value in {"none", "quarantine", "reject"}:
        return f"{name}={value}"
    return "p=none" if "rua" in found.tags else None

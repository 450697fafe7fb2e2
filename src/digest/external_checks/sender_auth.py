"""The DNS records by which receivers authenticate a sender: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 9989)."""

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from digest.errors import Unavailable
from digest.external_checks.dmarc_policy import DmarcRecord, find_policy, parse_tags
from digest.external_checks.dns import txt_records

TIMEOUT_SECONDS: Final = 20.0  # for all questions about one domain
# Of a public key as DNS holds it: a 1024-bit RSA key has 162 bytes, a 2048-bit one 294.
MIN_KEY_BYTES: Final = 140
GOOD_KEY_BYTES: Final = 260
# The selectors that large providers and common mail servers use.
COMMON_SELECTORS: Final = (
    *("default", "dkim", "mail", "selector1", "selector2", "s1", "s2", "k1", "k2", "k3", "google"),
    *("pm", "smtp", "mandrill", "mailjet", "brevo", "sib", "resend", "zoho", "protonmail", "fm1", "mx"),
)
# What a provider asks its customers to include in SPF, by the end of its mail server's name.
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
_OBSOLETE_DMARC_TAGS: Final = frozenset({"pct", "rf", "ri"})
_DMARC_POLICIES: Final = frozenset({"none", "quarantine", "reject"})

TxtLookup = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class SenderAuthResult:
    """The state of one mechanism: good, weak, missing or unknown, with the fix and the record to publish."""

    mechanism: str  # SPF, DKIM, DMARC
    status: str
    summary: str
    fix: str = ""
    dns_record: str = ""  # in zone file format
    is_conclusive: bool = True  # False: a DKIM key may exist under a selector that was not tried


def check_sender(
    domain: str, *, relay: str, selectors: Sequence[str] = (), lookup: TxtLookup = txt_records
) -> list[SenderAuthResult]:
    """Check SPF, DKIM and DMARC of a sender's domain; `relay` is the host that mails are sent through.

    `selectors` name its DKIM keys; without them the common ones are tried. Never raises: a DNS question without a
    response gives a result with the status "unknown".
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS

    def lookup_in_time(name: str) -> Sequence[str]:
        if time.monotonic() > deadline:
            raise Unavailable("DNS took too long")
        return lookup(name)

    return [
        _run_check("SPF", lambda: _check_spf(domain, relay, lookup_in_time)),
        _run_check("DKIM", lambda: _check_dkim(domain, selectors, lookup_in_time)),
        _run_check("DMARC", lambda: _check_dmarc(domain, lookup_in_time)),
    ]


def _run_check(mechanism: str, check: Callable[[], SenderAuthResult]) -> SenderAuthResult:
    try:
        return check()
    except Unavailable as error:
        summary = f"{mechanism} could not be checked: {error}."
        return SenderAuthResult(mechanism, "unknown", summary, "It will be checked again within the hour.")


def _check_spf(domain: str, relay: str, lookup: TxtLookup) -> SenderAuthResult:
    records = [text for text in lookup(domain) if text.lower().split(" ")[0] == "v=spf1"]
    include = _provider_include(relay)
    mechanism = f"include:{include}" if include else _mechanism_for_host(relay)
    if not records:
        record = f'{domain}. IN TXT "v=spf1 {mechanism} ~all"'
        return SenderAuthResult(
            "SPF", "missing", f"{domain} has no SPF record.", "Add this DNS record:", record
        )
    if len(records) > 1:
        summary = f"{domain} has {len(records)} SPF records, so receivers ignore all of them (RFC 7208, 4.5)."
        return SenderAuthResult("SPF", "weak", summary, "Merge them into one record.")
    terms = records[0].lower().split()
    if {"+all", "all"} & set(terms):
        summary = f"The SPF record of {domain} lets anyone send as you."
        return SenderAuthResult("SPF", "weak", summary, "End the record with ~all instead of +all.")
    if include and not any(term.lstrip("+").startswith(("include:", "redirect=")) for term in terms):
        better = " ".join([terms[0], mechanism, *terms[1:]])
        summary = f"The SPF record of {domain} does not include your provider ({include})."
        return SenderAuthResult(
            "SPF", "weak", summary, "Change the record to:", f'{domain}. IN TXT "{better}"'
        )
    return SenderAuthResult("SPF", "good", f"{domain} has an SPF record.")


def _provider_include(relay: str) -> str | None:
    matches = (
        include
        for suffix, include in PROVIDER_SPF_INCLUDES.items()
        if relay == suffix or relay.endswith(f".{suffix}")
    )
    return next(matches, None)


def _mechanism_for_host(relay: str) -> str:
    """The SPF mechanism for a mail server of no known provider; one on this machine sends as the domain's MX does."""
    try:
        address = ip_address(relay)
    except ValueError:
        return f"a:{relay}" if "." in relay else "mx"
    return f"ip{address.version}:{address}" if address.is_global else "mx"


def _check_dkim(domain: str, selectors: Sequence[str], lookup: TxtLookup) -> SenderAuthResult:
    published = [
        (selector, key) for selector, key in _fetch_keys(domain, selectors or COMMON_SELECTORS, lookup) if key
    ]
    if not published:
        return _missing_key(domain, selectors)
    selector, key = max(published, key=lambda pair: len(pair[1]))
    name = f"{selector}._domainkey.{domain}"
    if key.startswith(b"rsa:") and len(key) < GOOD_KEY_BYTES:
        size = "fewer than 1024" if len(key) < MIN_KEY_BYTES else "about 1024"
        summary = f"The DKIM key at {name} has {size} bits."
        return SenderAuthResult("DKIM", "weak", summary, "Ask your mail provider for a 2048-bit key.")
    return SenderAuthResult("DKIM", "good", f"{name} has a DKIM key.")


def _missing_key(domain: str, selectors: Sequence[str]) -> SenderAuthResult:
    if selectors:
        names = ", ".join(f"{selector}._domainkey.{domain}" for selector in selectors)
        record = f'{selectors[0]}._domainkey.{domain}. IN TXT "v=DKIM1; k=rsa; p=…"'
        fix = "Your mail provider signs your mail and shows the value to publish:"
        return SenderAuthResult("DKIM", "missing", f"No DKIM key was found at {names}.", fix, record)
    summary = f"{domain} has no DKIM key under any of the common selectors."
    fix = (
        "If your mail provider uses another selector, set DIGEST_DKIM_SELECTOR to it. "
        "Otherwise publish the record that it shows:"
    )
    record = f'default._domainkey.{domain}. IN TXT "v=DKIM1; k=rsa; p=…"'
    return SenderAuthResult("DKIM", "missing", summary, fix, record, is_conclusive=False)


def _fetch_keys(domain: str, selectors: Sequence[str], lookup: TxtLookup) -> Iterator[tuple[str, bytes]]:
    """(selector, public key) of each that has one; the key is empty when it was revoked (RFC 6376, 3.6.1)."""
    for selector in selectors:
        for text in lookup(f"{selector}._domainkey.{domain}"):
            tags = parse_tags(text)
            if "p" not in tags or tags.get("v", "DKIM1") != "DKIM1":
                continue
            try:
                key = base64.b64decode("".join(tags["p"].split()), validate=True)
            except (binascii.Error, ValueError):
                continue
            yield selector, (tags.get("k", "rsa").encode() + b":" + key if key else b"")


def _check_dmarc(domain: str, lookup: TxtLookup) -> SenderAuthResult:
    record = find_policy(domain, lookup)
    if record is None:
        suggested = f'_dmarc.{domain}. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@{domain}"'
        summary = (
            f"Neither {domain} nor a parent domain has a DMARC record; Gmail, Yahoo and Outlook require one."
        )
        return SenderAuthResult("DMARC", "missing", summary, "Add this DNS record:", suggested)
    policy, name = _applicable_policy(record), f"_dmarc.{record.domain}"
    if policy is None:
        suggested = f'{name}. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@{record.domain}"'
        summary = f"The record at {name} has no policy (p=)."
        return SenderAuthResult("DMARC", "weak", summary, "Change the record to:", suggested)
    obsolete = sorted(_OBSOLETE_DMARC_TAGS & set(record.tags))
    if obsolete:
        summary = f"The record at {name} uses {', '.join(obsolete)}, which RFC 9989 removed."
        return SenderAuthResult("DMARC", "weak", summary, "Remove it; receivers no longer read it.")
    return SenderAuthResult("DMARC", "good", f"{name} sets {policy}.")


def _applicable_policy(record: DmarcRecord) -> str | None:
    """The policy for the sender: `p=none` when only reports are requested (RFC 9989, 4.7), None when there is none."""
    tag = "p" if record.is_own or "sp" not in record.tags else "sp"
    value = record.tags.get(tag, "").lower()
    if value in _DMARC_POLICIES:
        return f"{tag}={value}"
    return "p=none" if "rua" in record.tags else None

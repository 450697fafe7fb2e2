"""The DNS records that mailbox providers require of each sender (Gmail's and Yahoo's sender guidelines)."""

from collections.abc import Iterator

from digest.cli import AppContext
from digest.cli.doctor.finding import Finding


def check_sender(context: AppContext) -> Iterator[Finding]:
    """SPF, DKIM and DMARC of the domain of every publication's sender."""
    from digest.publications import publications

    with context.services().db.read() as session:
        addresses = sorted({each.sender_address for each in publications.list_publications(session)})
    if not addresses:
        yield Finding("sender", "warn", "there is no publication yet", "run `digest init`")
        return
    if context.settings().is_embedded_mailbox:
        yield Finding("sender", "ok", f"{', '.join(addresses)} (not checked: no email leaves this machine)")
        return
    for domain in sorted({address.rpartition("@")[2] for address in addresses}):
        yield from _check_domain(domain, context)


def _check_domain(domain: str, context: AppContext) -> Iterator[Finding]:
    from digest.external_checks import sender_auth

    if domain == "localhost" or domain.endswith(".localdomain"):
        summary = f"a publication still sends from {domain}, which no mail server accepts"
        yield Finding("sender", "bad", summary, "enter its sender at the desk, in Settings")
        return
    services = context.services()
    results = sender_auth.check_sender(domain, relay=services.relay.host, selectors=services.dkim_selectors)
    failing = [result for result in results if result.status != "good"]
    for result in failing:
        # Without a configured selector the domain may have a DKIM key under a name that was not tried.
        is_bad = result.status == "missing" and (result.mechanism != "DKIM" or services.dkim_selectors)
        fix = f"{result.fix} {result.dns_record}".strip()
        yield Finding("sender", "bad" if is_bad else "warn", result.summary, fix)
    if not failing:
        yield Finding("sender", "ok", f"{domain} has SPF, DKIM and DMARC")

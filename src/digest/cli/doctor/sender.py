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
        yield _check_dns(domain, context)


def _check_dns(domain: str, context: AppContext) -> Finding:
    from digest.external_checks import sender_auth

    services = context.services()
    results = sender_auth.check_sender(domain, relay=services.relay.host, selectors=services.dkim_selectors)
    failing = [result for result in results if result.status != "good"]
    # Without a configured selector the domain may have a DKIM key under a name that was not tried.
    is_dkim_unsure = not services.dkim_selectors
    missing = [
        result
        for result in failing
        if result.status == "missing" and not (result.mechanism == "DKIM" and is_dkim_unsure)
    ]
    if not failing:
        return Finding("sender", "ok", f"{domain} has SPF, DKIM and DMARC")
    summary = " ".join(result.summary for result in failing)
    fix = "; ".join(f"{result.fix} {result.dns_record}".strip() for result in failing)
    return Finding("sender", "bad" if missing else "warn", summary, fix)

"""The mail server: each account must let us in, and know our name."""

from collections.abc import Iterator

from digest.cli import AppContext
from digest.cli.doctor.finding import Finding
from digest.smtp.url import Relay

LOCAL_ONLY = "no email leaves this machine"


def check_relay(context: AppContext) -> Iterator[Finding]:
    """Sign in at each account. Bad when none works, a warning when some do not."""
    is_embedded = context.settings().is_embedded_mailbox
    accounts = context.services().relay.accounts
    findings = [check_account(account) for account in accounts]
    has_working = any(finding.status == "ok" for finding in findings)
    for finding in findings:
        if finding.status == "bad" and has_working:
            yield Finding(finding.check, "warn", finding.summary, finding.fix)
        elif finding.status == "ok" and is_embedded:
            yield Finding(finding.check, "ok", f"{finding.summary} (the embedded mailbox: {LOCAL_ONLY})")
        else:
            yield finding


def check_account(account: Relay) -> Finding:
    """Connect to one account, with TLS and login, as a worker would."""
    from digest.delivery.relays.relay_remedies import RelayTestResult, open_connection

    server = f"{account.name} {account.host}:{account.port}".strip()
    connection = open_connection(account)
    if isinstance(connection, RelayTestResult):
        said = connection.reply.removeprefix("the relay cannot be reached: ")
        return Finding("relay", "bad", f"{server}: {connection.summary} ({said})", connection.fix)
    connection.quit()
    login = f", signed in as {account.shown_user or 'the token'}" if account.user else ""
    return Finding("relay", "ok", f"{server} answers ({account.security}){login}")


def check_helo(context: AppContext) -> Iterator[Finding]:
    """The name by which we introduce ourselves to each account: many servers refuse one that DNS does not know."""
    from digest.delivery.relays.relay_remedies import RelayTestResult, open_connection
    from digest.external_checks.helo_name import check_helo_name

    if context.settings().is_embedded_mailbox:
        yield Finding("helo", "ok", f"not checked: {LOCAL_ONLY}")
        return
    names: set[str] = set()
    for account in context.services().relay.accounts:
        if account.helo:
            names.add(account.helo)
        elif not isinstance(connection := open_connection(account), RelayTestResult):
            names.add(connection.helo)
            connection.quit()
    results = [check_helo_name(name) for name in sorted(names)]
    failing = next((result for result in results if not result.is_good), None)
    if failing is not None:
        yield Finding("helo", "warn", failing.summary, failing.fix)
    else:
        yield Finding("helo", "ok", "; ".join(result.summary for result in results))

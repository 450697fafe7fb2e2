"""`digest doctor`: checks the installation and suggests fixes."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from digest.cli import AppContext, SettingsView
from digest.errors import DigestError
from digest.loopback import is_loopback_url

if TYPE_CHECKING:
    from digest.smtp.url import Relay

TIMEOUT_SECONDS = 5.0
LOW_DISK_BYTES, MIN_DISK_BYTES = 2 * 1024**3, 200 * 1024**2
EARLIEST_CLOCK = 1_790_000_000  # September 2026: a clock that is earlier was never set
SKEW_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """The result of one check: `ok`, `warn` or `bad`, what was found, and how to fix it."""

    check: str
    status: str
    summary: str
    fix: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def doctor(context: AppContext, as_json: bool) -> None:
    """Check database, migrations, broker, mail server, our name, sender domain, disk and clock; exit 1 if one fails."""
    findings = list(_run_checks(context))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{_format_status(finding.status)} {finding.check:<12} {finding.summary}")
            if finding.fix:
                click.echo(f"{'':18}fix: {finding.fix}")
    if any(finding.status == "bad" for finding in findings):
        raise SystemExit(1)


def find_database_problem(context: AppContext) -> str | None:
    """Why the configured database cannot be used, with a fix, on one line; None when it can."""
    for check in (_check_database, _check_migrations):
        finding = check(context)
        if finding.status == "bad":
            return f"{finding.check}: {finding.summary}; {finding.fix}"
    return None


def _format_status(status: str) -> str:
    colour = {"ok": "green", "warn": "yellow", "bad": "red"}[status]
    return click.style(f"{status:<4}", fg=colour)


def _run_checks(context: AppContext) -> Iterator[Finding]:
    settings = context.settings()
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("settings", lambda: _check_settings(settings)),
        ("home", lambda: _check_home(settings)),
        ("database", lambda: _check_database(context)),
        ("migrations", lambda: _check_migrations(context)),
        ("broker", lambda: _check_broker(context, settings)),
        ("relay", lambda: _check_relay(context, settings)),
        ("helo", lambda: _check_helo(context.services().relay, settings)),
        ("sender", lambda: _check_sender(context, settings)),
        ("disk", lambda: _check_disk(settings)),
        ("clock", lambda: _check_clock(context)),
    ]
    if settings.oidc_issuer:
        checks.append(("provider", lambda: _check_provider(str(settings.oidc_issuer))))
    for name, check in checks:
        try:
            yield check()
        except DigestError as error:
            yield Finding(name, "bad", str(error))
        except Exception as error:  # noqa: BLE001  one failing check must not hide the others
            yield Finding(name, "bad", _summarize_error(error))


def _check_provider(issuer: str) -> Finding:
    """The OpenID provider must answer, with the same issuer as in the settings."""
    import requests

    response = requests.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
    issuer_found = response.json().get("issuer") if response.ok else None
    if issuer_found == issuer:
        return Finding("provider", "ok", issuer)
    fix = f"set DIGEST_OIDC_ISSUER to exactly {issuer_found}" if issuer_found else "check DIGEST_OIDC_ISSUER"
    return Finding(
        "provider",
        "bad",
        f"{issuer} answered {response.status_code}, issuer {issuer_found or 'missing'}",
        fix,
    )


def _check_settings(settings: SettingsView) -> Finding:
    if not settings.is_embedded_mailbox and is_loopback_url(settings.base_url):
        return Finding(
            "settings",
            "bad",
            f"emails link to {settings.base_url}, which readers cannot open",
            "set DIGEST_BASE_URL to the public address",
        )
    if settings.has_generated_keys and not settings.is_embedded_database:
        return Finding(
            "settings",
            "warn",
            f"signing keys are in {settings.home / 'secret-keys'}; another machine would generate different ones",
            "set the same DIGEST_SECRET_KEYS on every machine",
        )
    return Finding("settings", "ok", f"home {settings.home}, site {settings.base_url}")


def _check_home(settings: SettingsView) -> Finding:
    from digest.cli.home_permissions import find_exposed

    if exposed := find_exposed(settings.home, settings.database_url):
        summary = f"other users of this machine can read {exposed}"
        return Finding("home", "warn", summary, f"run `chmod -R go= {exposed}`")
    return Finding("home", "ok", f"only you can read {settings.home}")


def _check_database(context: AppContext) -> Finding:
    from sqlalchemy import text

    database = context.services().db
    try:
        with (
            database.begin() as session
        ):  # a write transaction: reading would not notice a full disk or a lock
            session.execute(text("select 1"))
    except Exception as error:  # noqa: BLE001  every driver raises its own errors
        return Finding(
            "database", "bad", _summarize_error(error), "start the database, or set DIGEST_DATABASE_URL"
        )
    return Finding("database", "ok", f"{database.engine.dialect.name} answers")


def _check_migrations(context: AppContext) -> Finding:
    from digest import schema

    with context.services().db.engine.connect() as connection:
        if schema.is_outdated(connection):
            return Finding("migrations", "bad", "the database schema is out of date", "run `digest init`")
    return Finding("migrations", "ok", "up to date")


def _check_broker(context: AppContext, settings: SettingsView) -> Finding:
    if settings.is_embedded_broker and not (settings.run_dir / "valkey.sock").exists():
        return Finding("broker", "warn", "the embedded Valkey is not running", "run `digest up`")
    try:
        with context.celery_app().connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=TIMEOUT_SECONDS)
    except Exception as error:  # noqa: BLE001  every transport raises its own errors
        summary = f"{_summarize_error(error)}; sending waits until the broker is back"
        return Finding("broker", "bad", summary, "start the broker, or set DIGEST_BROKER_URL")
    return Finding("broker", "ok", "answers")


def _check_relay(context: AppContext, settings: SettingsView) -> Finding:
    return _combine([_check_account(relay, settings) for relay in context.services().relay.accounts])


def _combine(findings: list[Finding]) -> Finding:
    """Combine the accounts' findings: bad when no account works, a warning when some do not."""
    if len(findings) == 1:
        return findings[0]
    failing = [finding for finding in findings if finding.status != "ok"]
    status = "ok" if not failing else "bad" if len(failing) == len(findings) else "warn"
    fix = failing[0].fix if failing else ""
    return Finding("relay", status, "; ".join(finding.summary for finding in findings), fix)


def _check_account(relay: "Relay", settings: SettingsView) -> Finding:
    from digest.smtp.connect import connect

    server = f"{relay.name} {relay.host}:{relay.port}".strip()
    try:
        connect(relay).quit()
    except (DigestError, OSError) as error:
        if settings.is_embedded_mailbox:
            return Finding("relay", "warn", "the embedded mailbox is not running", "run `digest up`")
        return Finding(
            "relay",
            "bad",
            f"{server}: {_summarize_error(error)}",
            "check DIGEST_SMTP_URL: host, port, user, password",
        )
    note = " (the embedded mailbox: no email leaves this machine)" if settings.is_embedded_mailbox else ""
    login = f", signed in as {relay.user}" if relay.user else ""
    return Finding("relay", "ok", f"{server} answers ({relay.security}){login}{note}")


def _check_helo(relay: "Relay", settings: SettingsView) -> Finding:
    """The name by which we introduce ourselves to each account: many servers refuse one that DNS does not know."""
    from digest.external_checks.helo_name import check_helo_name
    from digest.smtp.connect import connect

    if settings.is_embedded_mailbox:
        return Finding("helo", "ok", "not checked: no email leaves this machine")
    names: set[str] = set()
    for account in relay.accounts:
        if account.helo:
            names.add(account.helo)
            continue
        connection = connect(account)
        names.add(connection.helo)
        connection.quit()
    results = [check_helo_name(name) for name in sorted(names)]
    failing = next((result for result in results if not result.is_good), None)
    if failing is not None:
        return Finding("helo", "warn", failing.summary, failing.fix)
    return Finding("helo", "ok", "; ".join(result.summary for result in results))


def _check_sender(context: AppContext, settings: SettingsView) -> Finding:
    from digest.publications import publications

    with context.services().db.read() as session:
        every = publications.list_publications(session) or [publications.find(session)]
        addresses = sorted({publication.sender_address for publication in every})
    if settings.is_embedded_mailbox:
        return Finding("sender", "ok", f"{', '.join(addresses)} (not checked: no email leaves this machine)")
    domains = sorted({address.rpartition("@")[2] for address in addresses})
    findings = [_check_dns(domain, context) for domain in domains]
    return next((finding for finding in findings if finding.status != "ok"), findings[0])


def _check_dns(domain: str, context: AppContext) -> Finding:
    """The DNS records that mailbox providers require (Gmail's and Yahoo's sender guidelines)."""
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


def _check_disk(settings: SettingsView) -> Finding:
    free = shutil.disk_usage(settings.home).free
    summary = f"{free / 1024**3:.1f} GiB free at {settings.home}"
    if free < MIN_DISK_BYTES:
        return Finding("disk", "bad", summary, "free some space: a full disk stops sending")
    return Finding("disk", "warn" if free < LOW_DISK_BYTES else "ok", summary)


def _check_clock(context: AppContext) -> Finding:
    from sqlalchemy import text

    now = time.time()
    if now < EARLIEST_CLOCK:
        return Finding("clock", "bad", "this machine's clock is not set", "set it with NTP")
    if context.services().db.engine.dialect.name == "postgresql":
        with context.services().db.read() as session:
            database_time: Any = session.scalar(text("select extract(epoch from clock_timestamp())"))
        skew = abs(float(database_time) - now)
        if skew > SKEW_SECONDS:
            return Finding("clock", "warn", f"{skew:.0f} s off the database's clock", "set both with NTP")
    return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def _summarize_error(error: BaseException) -> str:
    """The first line of the error, and never a URL with a password in it."""
    first_line = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"[:200] if first_line else type(error).__name__

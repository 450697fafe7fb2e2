"""`digest doctor`: what is wrong, and how to mend it."""

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
EARLIEST_CLOCK = 1_790_000_000  # September 2026: a clock that says less was never set
SKEW_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `ok`, `warn` or `bad`, what was seen, and what to do about it."""

    check: str
    state: str
    summary: str
    fix: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def doctor(house: AppContext, as_json: bool) -> None:
    """Look at the database, migrations, broker, relay, sender's domain, disk and clock. Exit code 1 when one is bad."""
    findings = list(_run_checks(house))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{_format_status(finding.state)} {finding.check:<12} {finding.summary}")
            if finding.fix:
                click.echo(f"{'':18}mend: {finding.fix}")
    if any(finding.state == "bad" for finding in findings):
        raise SystemExit(1)


def find_database_problem(house: AppContext) -> str | None:
    """What keeps a database that the operator named from being used, and the mend, in one line; None when nothing."""
    for look in (_check_database, _check_migrations):
        found = look(house)
        if found.state == "bad":
            return f"{found.check}: {found.summary}; {found.fix}"
    return None


def _format_status(state: str) -> str:
    colour = {"ok": "green", "warn": "yellow", "bad": "red"}[state]
    return click.style(f"{state:<4}", fg=colour)


def _run_checks(house: AppContext) -> Iterator[Finding]:
    settings = house.settings()
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("settings", lambda: _check_settings(settings)),
        ("database", lambda: _check_database(house)),
        ("migrations", lambda: _check_migrations(house)),
        ("broker", lambda: _check_broker(house, settings)),
        ("relay", lambda: _check_relay(house, settings)),
        ("sender", lambda: _check_sender(house, settings)),
        ("disk", lambda: _check_disk(settings)),
        ("clock", lambda: _check_clock(house)),
    ]
    if settings.oidc_issuer:
        looks.append(("provider", lambda: _check_provider(str(settings.oidc_issuer))))
    for what, look in looks:
        try:
            yield look()
        except DigestError as error:
            yield Finding(what, "bad", str(error))
        except Exception as error:  # noqa: BLE001  a doctor that dies of what it finds is no help
            yield Finding(what, "bad", _summarize_error(error))


def _check_provider(issuer: str) -> Finding:
    """Where the team signs in: it must answer, and call itself what it was called in the settings."""
    import requests

    said = requests.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS)
    known = said.json().get("issuer") if said.ok else None
    if known == issuer:
        return Finding("provider", "ok", issuer)
    mend = f"set DIGEST_OIDC_ISSUER to {known}, letter by letter" if known else "look at DIGEST_OIDC_ISSUER"
    return Finding("provider", "bad", f"{issuer} answers {said.status_code} as {known or 'nobody'}", mend)


def _check_settings(settings: SettingsView) -> Finding:
    if not settings.is_embedded_mailbox and is_loopback_url(settings.base_url):
        return Finding(
            "settings",
            "bad",
            f"mails go out, and their links lead to {settings.base_url}, which no reader can open",
            "set DIGEST_BASE_URL to the public address",
        )
    if settings.has_generated_keys and not settings.is_embedded_database:
        return Finding(
            "settings",
            "warn",
            f"the signing keys are in {settings.home / 'secret-keys'}: another machine draws others",
            "set DIGEST_SECRET_KEYS alike on every machine",
        )
    return Finding("settings", "ok", f"home {settings.home}, site {settings.base_url}")


def _check_database(house: AppContext) -> Finding:
    from sqlalchemy import text

    database = house.services().db
    try:
        with database.begin() as session:  # not read: a full disk or a lock shows only here
            session.execute(text("select 1"))
    except Exception as error:  # noqa: BLE001  drivers raise what they like
        return Finding("database", "bad", _summarize_error(error), "start the database, or set DIGEST_DATABASE_URL")
    return Finding("database", "ok", f"{database.engine.dialect.name} answers")


def _check_migrations(house: AppContext) -> Finding:
    from digest import schema

    with house.services().db.engine.connect() as connection:
        if schema.is_outdated(connection):
            return Finding(
                "migrations", "bad", "the database is not at the newest revision", "run `digest init`"
            )
    return Finding("migrations", "ok", "at the newest revision")


def _check_broker(house: AppContext, settings: SettingsView) -> Finding:
    if settings.is_embedded_broker and not (settings.run_dir / "valkey.sock").exists():
        return Finding("broker", "warn", "the embedded Valkey is not running", "run `digest up`")
    try:
        with house.celery_app().connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=TIMEOUT_SECONDS)
    except Exception as error:  # noqa: BLE001  as above
        seen = f"{_summarize_error(error)}; nothing is lost, and nothing is sent meanwhile"
        return Finding("broker", "bad", seen, "start the broker, or set DIGEST_BROKER_URL")
    return Finding("broker", "ok", "answers")


def _check_relay(house: AppContext, settings: SettingsView) -> Finding:
    return _combine([_check_account(relay, settings) for relay in house.services().relay.accounts])


def _combine(found: list[Finding]) -> Finding:
    """One finding of all accounts: as bad as all when none works, a warning when some do not."""
    if len(found) == 1:
        return found[0]
    wrong = [one for one in found if one.state != "ok"]
    state = "ok" if not wrong else "bad" if len(wrong) == len(found) else "warn"
    return Finding("relay", state, "; ".join(one.summary for one in found), wrong[0].fix if wrong else "")


def _check_account(relay: "Relay", settings: SettingsView) -> Finding:
    from digest.smtp.connect import connect

    where = f"{relay.name} {relay.host}:{relay.port}".strip()
    try:
        connect(relay).close()
    except (DigestError, OSError) as error:
        if settings.is_embedded_mailbox:
            return Finding("relay", "warn", "the embedded mailbox is not running", "run `digest up`")
        return Finding(
            "relay", "bad", f"{where}: {_summarize_error(error)}", "check DIGEST_SMTP_URL: host, port, user, password"
        )
    mine = " (the embedded mailbox: nobody is mailed)" if settings.is_embedded_mailbox else ""
    login = f", and lets {relay.user} in" if relay.user else ""
    return Finding("relay", "ok", f"{where} answers ({relay.security}){login}{mine}")


def _check_sender(house: AppContext, settings: SettingsView) -> Finding:
    from digest.publications import publications

    with house.services().db.read() as session:
        papers = publications.listing(session) or [publications.find(session)]
        addresses = sorted({paper.sender_address for paper in papers})
    if settings.is_embedded_mailbox:
        return Finding("sender", "ok", f"{', '.join(addresses)} (not asked: nobody is mailed)")
    domains = sorted({address.rpartition("@")[2] for address in addresses})
    found = [_check_dns(domain, house) for domain in domains]
    return next((one for one in found if one.state != "ok"), found[0])


def _check_dns(domain: str, house: AppContext) -> Finding:
    """What a provider looks at before it believes a sender (Gmail's and Yahoo's sender rules)."""
    from digest.external_checks import sender_auth

    here = house.services()
    proofs = sender_auth.check_sender(domain, relay=here.relay.host, selectors=here.dkim_selectors)
    wrong = [proof for proof in proofs if proof.status != "good"]
    # A key under a name that we do not know may be there all the same.
    unsure = not here.dkim_selectors
    bad = [
        proof for proof in wrong if proof.status == "missing" and not (proof.mechanism == "DKIM" and unsure)
    ]
    if not wrong:
        return Finding("sender", "ok", f"{domain} has SPF, DKIM and DMARC")
    seen = " ".join(proof.summary for proof in wrong)
    mend = "; ".join(f"{proof.fix} {proof.dns_record}".strip() for proof in wrong)
    return Finding("sender", "bad" if bad else "warn", seen, mend)


def _check_disk(settings: SettingsView) -> Finding:
    free = shutil.disk_usage(settings.home).free
    seen = f"{free / 1024**3:.1f} GiB free at {settings.home}"
    if free < MIN_DISK_BYTES:
        return Finding("disk", "bad", seen, "make room: a full disk stops sending")
    return Finding("disk", "warn" if free < LOW_DISK_BYTES else "ok", seen)


def _check_clock(house: AppContext) -> Finding:
    from sqlalchemy import text

    now = time.time()
    if now < EARLIEST_CLOCK:
        return Finding("clock", "bad", "this machine's clock was never set", "set it, best by NTP")
    if house.services().db.engine.dialect.name == "postgresql":
        with house.services().db.read() as session:
            there: Any = session.scalar(text("select extract(epoch from clock_timestamp())"))
        skew = abs(float(there) - now)
        if skew > SKEW_SECONDS:
            return Finding("clock", "warn", f"{skew:.0f} s apart from the database's", "set both by NTP")
    return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def _summarize_error(error: BaseException) -> str:
    """The first line of what went wrong; never an address with a password in it."""
    first = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:200] if first else type(error).__name__

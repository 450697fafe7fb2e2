"""`digest users`: list users and reset their two-factor authentication. `digest audit-log`: who changed what."""

import json
from typing import TYPE_CHECKING, Any

import click

from digest.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.cli import AppContext
    from digest.editorial.models import User

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON only.")


@click.group("users")
def group() -> None:
    """List users, and reset their two-factor authentication."""


@group.command("list")
@_json
@click.pass_obj
def list_(context: "AppContext", as_json: bool) -> None:
    """List users."""
    from digest.access import factors
    from digest.editorial import users

    with context.services().db.read() as session:
        factor_counts = factors.count_by_user(session)
        facts = [
            {
                "address": user.address,
                "role": user.role,
                "second_factors": factor_counts.get(user.id, 0),
                "last_seen_at": user.last_seen_at.isoformat() if user.last_seen_at else None,
            }
            for user in users.list_users(session)
        ]
    if as_json:
        click.echo(_dump(facts))
        return
    for fact in facts:
        sign_in = "two-factor" if fact["second_factors"] else "email only"
        click.echo(f"{fact['role']:<7}  {sign_in:<10}  {fact['address']}")


@group.command("reset")
@click.argument("address")
@click.pass_obj
def reset(context: "AppContext", address: str) -> None:
    """Reset two-factor authentication for ADDRESS, end all sessions and print a sign-in link."""
    from digest.access import factors, sessions
    from digest.access.audit_verbs import Verb
    from digest.cli.audit import record
    from digest.cli.setup import create_sign_in_link

    services = context.services()
    with services.db.begin() as session:
        user = _get_user(session, address)
        removed = factors.remove_all(session, user.id)
        sessions.end_all(session, user)
        record(session, Verb.RESET_FACTORS, "user", user.id, f"{removed} removed")
        link = create_sign_in_link(services, user)
    click.echo(f"Removed {removed} two-factor method{'' if removed == 1 else 's'} and ended all sessions.")
    click.echo(f"One-time sign-in link, valid for 24 hours:\n  {link}")


@click.command("audit-log")
@click.option("--before", type=click.IntRange(1), help="Only entries before this number.")
@_json
@click.pass_obj
def audit_log(context: "AppContext", before: int | None, as_json: bool) -> None:
    """Print who changed what, newest first, fifty entries at a time."""
    from digest.access.audit_log import list_entries

    with context.services().db.read() as session:
        facts = [
            {
                "entry": line.entry.id,
                "at": line.entry.at.isoformat(timespec="seconds"),
                "by": line.address or line.entry.channel,
                "verb": line.entry.verb,
                "kind": line.entry.kind,
                "number": line.entry.number,
                "publication": line.slug,
                "details": line.entry.details,
            }
            for line in list_entries(session, before=before)
        ]
    if as_json:
        click.echo(_dump(facts))
        return
    for fact in facts:
        thing = fact["kind"] if fact["number"] is None else f"{fact['kind']} {fact['number']}"
        details = f" ({fact['details']})" if fact["details"] else ""
        click.echo(f"{fact['entry']:>6}  {fact['at']}  {fact['by']}: {fact['verb']}, {thing}{details}")


def _get_user(session: "Session", address: str) -> "User":
    from digest.editorial import users

    user = users.find_user(session, address)
    if user is None:
        raise NotFound(f"no user has the address {address.strip()}; `digest users list` shows all of them")
    return user


def _dump(facts: Any) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=2)

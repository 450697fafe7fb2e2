"""`digest people`: manage users, reset two-factor authentication and read the audit log."""

import json
from typing import TYPE_CHECKING, Any

import click

from digest.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.cli import AppContext
    from digest.editorial.models import User

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON only.")


@click.group("people")
def group() -> None:
    """Manage users, reset two-factor authentication and read activity."""


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
        record(session, Verb.RESET_FACTORS, "person", user.id, f"{removed} removed")
        link = create_sign_in_link(services, user)
    click.echo(f"Removed {removed} two-factor method{'' if removed == 1 else 's'} and ended all sessions.")
    click.echo(f"One-time sign-in link, valid for 24 hours:\n  {link}")


@group.command("log")
@click.option("--before", type=click.IntRange(1), help="Only entries before this number.")
@_json
@click.pass_obj
def log_(context: "AppContext", before: int | None, as_json: bool) -> None:
    """Print activity, newest first, fifty entries at a time."""
    from digest.access import audit_log

    with context.services().db.read() as session:
        facts = [
            {
                "line": line.entry.id,
                "at": line.entry.at.isoformat(timespec="seconds"),
                "who": line.address or line.entry.channel,
                "verb": line.entry.verb,
                "kind": line.entry.kind,
                "number": line.entry.number,
                "publication": line.slug,
                "words": line.entry.details,
            }
            for line in audit_log.list_entries(session, before=before)
        ]
    if as_json:
        click.echo(_dump(facts))
        return
    for fact in facts:
        thing = fact["kind"] if fact["number"] is None else f"{fact['kind']} {fact['number']}"
        words = f" ({fact['words']})" if fact["words"] else ""
        click.echo(f"{fact['at']}  {fact['who']}: {fact['verb']}, {thing}{words}")


def _get_user(session: "Session", address: str) -> "User":
    from digest.editorial import users

    user = users.find_user(session, address)
    if user is None:
        raise NotFound(f"no user has the address {address.strip()}; `digest people list` lists all users")
    return user


def _dump(facts: Any) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=2)

"""`digest people`: who comes in to the desk, help for who lost a second factor, and the log."""

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
    """List who comes in to the desk, help who is locked out, and read the log."""


@group.command("list")
@_json
@click.pass_obj
def list_(house: "AppContext", as_json: bool) -> None:
    """List who may come in."""
    from digest.access import factors
    from digest.editorial import users

    with house.services().db.read() as session:
        proofs = factors.counts(session)
        facts = [
            {
                "address": user.address,
                "role": user.role,
                "second_factors": proofs.get(user.id, 0),
                "last_seen_at": user.last_seen_at.isoformat() if user.last_seen_at else None,
            }
            for user in users.list_users(session)
        ]
    if as_json:
        click.echo(_dump(facts))
        return
    for fact in facts:
        proof = "second factor" if fact["second_factors"] else "letter only"
        click.echo(f"{fact['role']:<7}  {proof:<13}  {fact['address']}")


@group.command("reset")
@click.argument("address")
@click.pass_obj
def reset(house: "AppContext", address: str) -> None:
    """Take second factors away from ADDRESS, who lost them, end all sessions, and print a sign-in link."""
    from digest.access import factors, sessions
    from digest.cli.audit import record
    from digest.cli.setup import create_sign_in_link

    services = house.services()
    with services.db.begin() as session:
        user = _get_user(session, address)
        gone = factors.forget_all(session, user.id)
        sessions.end_all(session, user)
        record(session, "take second factors away", "person", user.id)
        link = create_sign_in_link(services, user)
    click.echo(f"{gone} second factor{'' if gone == 1 else 's'} taken away; all sessions ended")
    click.echo(f"sign in within 24 hours, once\n  {link}")


@group.command("log")
@click.option("--before", type=click.IntRange(1), help="Go on before this line.")
@_json
@click.pass_obj
def log_(house: "AppContext", before: int | None, as_json: bool) -> None:
    """Print the log, the newest line first, fifty at a time."""
    from digest.access import audit_log

    with house.services().db.read() as session:
        facts = [
            {
                "line": line.entry.id,
                "at": line.entry.at.isoformat(timespec="seconds"),
                "who": line.address or line.entry.door,
                "verb": line.entry.verb,
                "kind": line.entry.kind,
                "number": line.entry.number,
                "publication": line.slug,
                "words": line.entry.words,
            }
            for line in audit_log.page(session, before=before)
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

    found = users.find_user(session, address)
    if found is None:
        raise NotFound(f"nobody called {address.strip()} may come in; `digest people list` names who may")
    return found


def _dump(facts: Any) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=2)

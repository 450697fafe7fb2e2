"""`digest init`: the database, the first publication, its owner. `digest config`: the settings."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from digest.cli import AppContext
from digest.cli.processes.ports import PORT, store_port
from digest.cli.upgrade import migrate
from digest.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.editorial.models import User
    from digest.publications.models import Publication
    from digest.services import Services

LINK_LIFETIME = timedelta(hours=24)
SET_UP_FIELDS = ("name", "tagline", "sender_name", "sender_address", "postal_address", "zone")
NAME, SENDER, OWNER = "Ship or Skip", "digest@localhost.localdomain", "owner@localhost.localdomain"


@click.command()
@click.option("--name", help=f"Name of the first publication. [default: {NAME}]")
@click.option("--tagline", help="One line below the name.")
@click.option("--sender", help=f"From address of all emails. [default: {SENDER}]")
@click.option(
    "--postal-address", help="Postal address in the footer of every email; many countries require one."
)
@click.option("--tz", "zone", help="Time zone of its schedule, such as Europe/Berlin. [default: UTC]")
@click.option("--owner", help=f"Email address of the desk's owner. [default: {OWNER}]")
@click.option("--port", type=PORT, help="Web port of `digest up`, for the link. [default: as last time]")
@click.option("--no-link", is_flag=True, help="Print no sign-in link: for scripts whose output is logged.")
@click.option("--no-backup", is_flag=True, help="Upgrade without a backup before.")
@click.pass_obj
def init(
    context: AppContext,
    /,
    owner: str | None,
    port: int | None,
    no_link: bool,
    no_backup: bool,
    **fields: str | None,
) -> None:
    """Create or upgrade the database, the first publication and its owner; print a sign-in link.

    Safe to run again: only the options you give are changed. Before an upgrade the
    database is backed up into the home, and workers finish what they send.
    """
    services = (_with_port(context, port) if port else context).services()
    revisions = migrate(services, passphrase=_passphrase(context), with_backup=not no_backup)
    click.echo(f"database\n  {_database_line(*revisions)}")
    with services.db.begin() as session:
        given = {name: value for name, value in fields.items() if value}
        publication, created, user = set_up(session, given, owner)
        link = create_sign_in_link(services, user)
        name, address = publication.name, user.address
    click.echo(f"publication\n  {name} ({'created' if created else 'exists'})")
    click.echo(f"owner\n  {address}")
    if no_link:
        return
    click.echo(f"one-time sign-in link, valid for 24 hours (start `digest up` first)\n  {link}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the settings as JSON.")
@click.pass_obj
def config(context: AppContext, as_json: bool) -> None:
    """Show every setting in force and where it comes from; secrets are masked.

    The environment comes first, then files named by DIGEST_…_FILE, then digest.toml, then the defaults.
    """
    rows = context.describe_settings()
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    name_width = max(len(row["variable"] or "") for row in rows)
    source_width = max(len(row["source"] or "") for row in rows)
    for row in rows:
        click.echo(f"{row['variable']:<{name_width}}  {row['source']:<{source_width}}  {row['value'] or '-'}")


def _passphrase(context: AppContext) -> Callable[[], str | None]:
    return lambda: context.settings().backup_passphrase


def _with_port(context: AppContext, port: int) -> AppContext:
    """The context whose links, and whose next `digest up`, use this port. Raises BadInput with a base URL set."""
    settings = context.settings()
    if not settings.has_default_base_url:
        raise BadInput(f"--port does nothing here: links follow DIGEST_BASE_URL, {settings.base_url}")
    store_port(settings, port)
    return context.with_settings()


def set_up(
    session: "Session", fields: dict[str, Any], owner: str | None
) -> tuple["Publication", bool, "User"]:
    """The first publication with `fields`, whether it was created, and the owner. Raises BadInput naming the field.

    The audit log gets an entry if anything changed.
    """
    from digest.access.audit_verbs import Verb
    from digest.cli.audit import record
    from digest.db import utcnow
    from digest.installation.identity import ensure_installation

    ensure_installation(session, utcnow())  # locks its row: two at once would each create a first publication
    before = _find_values(session)
    publication, created = ensure_publication(session, fields)
    user = ensure_owner(session, owner)
    after = _find_values(session)
    if after != before:
        record(session, Verb.SET_UP, "setting", before=before, after=after, publication_id=publication.id)
    return publication, created, user


def _find_values(session: "Session") -> dict[str, object]:
    """What `set_up` can change, by name; nothing on an empty database."""
    from sqlalchemy import select

    from digest.editorial.models import Role, User
    from digest.publications import publications

    owners = select(User.id).where(User.role == Role.OWNER.value, User.removed_at.is_(None)).order_by(User.id)
    values: dict[str, object] = {"owners": " ".join(f"person {number}" for number in session.scalars(owners))}
    for publication in publications.list_publications(session)[:1]:
        values |= {name: getattr(publication, name) for name in SET_UP_FIELDS}
    return values


def ensure_publication(session: "Session", fields: dict[str, Any]) -> tuple["Publication", bool]:
    """The first publication, updated with `fields`, and whether it was created. Raises BadInput naming the field."""
    from digest.db import utcnow
    from digest.errors import NotFound
    from digest.publications import publications

    if "sender" in fields:
        fields["sender_address"] = fields.pop("sender")
    try:
        publication = publications.find(session)
    except NotFound:
        defaults = {
            "name": NAME,
            "sender_address": SENDER,
            "tagline": "What to ship and what to skip",
        }
        return publications.create(session, now=utcnow(), **{**defaults, **fields}), True
    if "name" in fields and publication.sender_name == publication.name:  # the sender name was never set
        fields["sender_name"] = fields["name"]
    return (publications.update(session, publication, **fields) if fields else publication), False


def ensure_owner(session: "Session", address: str | None) -> "User":
    """The owner with this address, created if missing; without an address, the current owner or a placeholder.

    A named owner replaces the placeholder: no notice may be sent to an address that does not exist.
    """
    from sqlalchemy import select

    from digest.db import utcnow
    from digest.editorial import users
    from digest.editorial.models import Role, User

    owners = select(User).where(User.role == Role.OWNER.value, User.removed_at.is_(None)).order_by(User.id)
    current_owner = session.scalars(owners.limit(1)).first()
    if current_owner is not None and address in {None, current_owner.address}:
        return current_owner
    owner = users.invite_user(session, address or OWNER, Role.OWNER, utcnow())
    placeholder = users.find_user(session, OWNER)
    if placeholder is not None and placeholder is not owner:
        users.remove_user(session, placeholder.id, utcnow())
    return owner


def create_sign_in_link(services: "Services", user: "User") -> str:
    """A one-time link that signs this user in to the desk, valid for a day."""
    from digest.db import utcnow
    from digest.editorial import users

    token = users.create_sign_in_token(services.signer, user, utcnow(), LINK_LIFETIME)
    return f"{services.base_url}/desk/enter/{token}"


def prepare_database(context: AppContext) -> str | None:
    """Prepare the database for `digest up`: migrate it and, when it is empty, create the first publication.

    Returns a sign-in link until the owner has signed in for the first time.
    """
    services = context.services()
    migrate(services, passphrase=_passphrase(context))
    with services.db.begin() as session:
        user = set_up(session, {}, None)[2]
        return None if user.sign_in_count else create_sign_in_link(services, user)


def _database_line(before: str | None, after: str | None) -> str:
    if before == after:
        return f"up to date ({after})"
    return f"upgraded from {before} to {after}" if before else f"created ({after})"

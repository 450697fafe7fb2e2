"""`digest init`: the database, the first publication, its owner."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from digest.cli import AppContext

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from digest.editorial.models import User
    from digest.publications.models import Publication
    from digest.services import Services

LINK_LIFETIME = timedelta(hours=24)
NAME, SENDER, OWNER = "Ship or Skip", "digest@localhost.localdomain", "owner@localhost.localdomain"


@click.command()
@click.option("--name", help=f"Name of the first publication. [default: {NAME}]")
@click.option("--tagline", help="One line below its name.")
@click.option("--sender", help=f"Address that mails come from. [default: {SENDER}]")
@click.option(
    "--postal-address", help="Postal address at the foot of each mail; the law of many places asks for one."
)
@click.option("--tz", "zone", help="Time zone of its calendar, such as Europe/Berlin. [default: UTC]")
@click.option("--owner", help=f"Address of the one who owns the desk. [default: {OWNER}]")
@click.pass_obj
def init(house: AppContext, /, owner: str | None, **fields: str | None) -> None:
    """Create or upgrade the database; create the first publication and owner; print a sign-in link.

    Safe to call again: what is there stays, and what is named here is changed.
    """
    from digest.cli.audit import record

    services = house.services()
    click.echo(f"database\n  {_database_line(*migrate(services))}")
    with services.db.begin() as session:
        publication, made = ensure_publication(
            session, {name: value for name, value in fields.items() if value}
        )
        user = ensure_owner(session, owner)
        link = create_sign_in_link(services, user)
        record(session, "set up", "setting", None, "publication and owner")
        name, address = publication.name, user.address
    click.echo(f"publication\n  {name} {'created' if made else 'is there'}")
    click.echo(f"owner\n  {address}")
    click.echo(f"sign in within 24 hours (`digest up` must be running)\n  {link}")


def migrate(services: "Services") -> tuple[str | None, str | None]:
    """Bring the database to the newest revision; gives the one before and the one after."""
    from digest import schema

    return schema.upgrade(services.db.engine)


def ensure_publication(session: "Session", fields: dict[str, Any]) -> tuple["Publication", bool]:
    """The first publication with these fields, and whether it was made now. Raises BadInput, naming the field."""
    from digest.db import utcnow
    from digest.errors import NotFound
    from digest.publications import publications

    if "sender" in fields:
        fields["sender_address"] = fields.pop("sender")
    try:
        found = publications.find(session)
    except NotFound:
        start = {
            "name": NAME,
            "sender_address": SENDER,
            "tagline": "What to ship and what to skip, each week.",
        }
        return publications.create(session, now=utcnow(), **{**start, **fields}), True
    if "name" in fields and found.sender_name == found.name:  # nobody gave the sender a name of its own
        fields["sender_name"] = fields["name"]
    return (publications.change(session, found, **fields) if fields else found), False


def ensure_owner(session: "Session", address: str | None) -> "User":
    """The owner with this address, made if need be; without one, the owner there is, or a stand-in.

    Whoever is named takes the stand-in's place: no notice may go to an address that is nobody's.
    """
    from sqlalchemy import select

    from digest.db import utcnow
    from digest.editorial import users
    from digest.editorial.models import Role, User

    owners = select(User).where(User.role == Role.OWNER.value, User.removed_at.is_(None)).order_by(User.id)
    there = session.scalars(owners.limit(1)).first()
    if there is not None and address in {None, there.address}:
        return there
    owner = users.invite_user(session, address or OWNER, Role.OWNER, utcnow())
    stand_in = users.find_user(session, OWNER)
    if stand_in is not None and stand_in is not owner:
        users.remove_user(session, stand_in.id, utcnow())
    return owner


def create_sign_in_link(services: "Services", user: "User") -> str:
    """A link that signs this user in to the desk, once, within a day."""
    from digest.db import utcnow
    from digest.editorial import users

    return f"{services.base_url}/desk/enter/{users.create_sign_in_token(services.signer, user, utcnow(), LINK_LIFETIME)}"


def prepare_database(house: AppContext) -> str | None:
    """What `digest up` does before it starts: the newest schema and, in an empty database, the first publication.

    Gives a sign-in link when somebody has still to sign in for the first time.
    """
    services = house.services()
    migrate(services)
    with services.db.begin() as session:
        ensure_publication(session, {})
        user = ensure_owner(session, None)
        return None if user.sign_in_count else create_sign_in_link(services, user)


def _database_line(before: str | None, after: str | None) -> str:
    if before == after:
        return f"is current ({after})"
    return f"upgraded from {before} to {after}" if before else f"created ({after})"

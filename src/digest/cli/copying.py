"""What `digest issues` does with one reader's copy of an issue."""

import click

from digest.cli.audit import note
from digest.cli.issue_output import of_number
from digest.db import utcnow
from digest.delivery.letters import copies
from digest.services import Services


def show(here: Services, number: int, slug: str | None, address: str) -> None:
    """Print the mail as the relay was given it, byte for byte. Raises NotFound when there is none."""
    with here.db.read() as session:
        reader = copies.reader_of(session, address)
        made = copies.again(session, of_number(session, number, slug).id, reader, here.signer)
    click.echo(made, nl=False)


def resend(here: Services, number: int, slug: str | None, address: str) -> None:
    """Post the copy once more. Raises as `copies.resend`."""
    with here.db.begin() as session:
        issue = of_number(session, number, slug)
        reader = copies.reader_of(session, address)
        copies.resend(session, issue, reader, now=utcnow())
        note(session, "resend", "subscriber", reader, f"issue {number}")
    here.nudge("letters")
    click.echo(f"The copy of issue {number} for {address} is on its way once more.")

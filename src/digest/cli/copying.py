"""What `digest issues` does with one reader's copy of an issue."""

import click

from digest.cli.audit import record
from digest.cli.issue_output import get_issue
from digest.db import utcnow
from digest.delivery.letters import copies
from digest.services import Services


def show(here: Services, number: int, slug: str | None, address: str) -> None:
    """Print the mail as the relay was given it, byte for byte. Raises NotFound when there is none."""
    with here.db.read() as session:
        reader = copies.get_subscriber_id(session, address)
        made = copies.rebuild_mail(session, get_issue(session, number, slug).id, reader, here.signer)
    click.echo(made, nl=False)


def resend(here: Services, number: int, slug: str | None, address: str) -> None:
    """Post the copy once more. Raises as `copies.resend`."""
    with here.db.begin() as session:
        issue = get_issue(session, number, slug)
        reader = copies.get_subscriber_id(session, address)
        copies.send_copy(session, issue, reader, now=utcnow())
        record(session, "resend", "subscriber", reader, f"issue {number}")
    here.enqueue_soon("letters")
    click.echo(f"The copy of issue {number} for {address} is on its way once more.")

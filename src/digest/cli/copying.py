"""What `digest issues` does with one reader's copy of an issue."""

import click

from digest.access.audit_verbs import Verb
from digest.cli.audit import record
from digest.cli.issue_output import get_issue
from digest.db import utcnow
from digest.delivery.letters import copies
from digest.services import Services


def show(services: Services, number: int, slug: str | None, address: str) -> None:
    """Print the email exactly as it was sent. Raises NotFound when there is none."""
    with services.db.read() as session:
        reader = copies.get_subscriber_id(session, address)
        made = copies.rebuild_mail(session, get_issue(session, number, slug).id, reader, services.signer)
    click.echo(made, nl=False)


def resend(services: Services, number: int, slug: str | None, address: str) -> None:
    """Queue the copy again. Raises as `copies.resend`."""
    with services.db.begin() as session:
        issue = get_issue(session, number, slug)
        reader = copies.get_subscriber_id(session, address)
        copies.send_copy(session, issue, reader, now=utcnow())
        record(session, Verb.RESEND, "subscriber", reader, f"issue {number}")
    services.enqueue_soon("letters")
    click.echo(f"Resending issue {number} to {address}.")

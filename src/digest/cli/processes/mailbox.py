"""The embedded mailbox, which `digest up` starts."""

import signal
import threading

import click

from digest.cli import AppContext
from digest.errors import Unavailable


@click.command(hidden=True)
@click.pass_obj
def mailbox(context: AppContext) -> None:
    """Accept every email on loopback and store it in the data directory."""
    from digest.embedded.mailbox import start_server
    from digest.embedded.maildir import Maildir

    settings = context.settings()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        server = start_server(Maildir(settings.home / "mailbox"), settings.mailbox_port)
    except OSError as error:
        raise Unavailable(f"the mailbox cannot use port {settings.mailbox_port}: {error}") from None
    stop.wait()
    server.stop()

"""`digest web`: the web server, alone or under `digest up`."""

import signal
import socket
import sys
from typing import Any

import click

from digest.base_url import LOCAL_PORT
from digest.cli import AppContext
from digest.cli.processes.ports import HOST, PORT
from digest.errors import Unavailable

WAITRESS_OPTIONS: dict[str, Any] = {
    "threads": 8,
    "ident": None,
    # If these were cleared, every visitor behind a proxy would be 127.0.0.1: one shared limit, and open loopback pages.
    "clear_untrusted_proxy_headers": False,
    # Connections that send nothing, or half a request, cost a descriptor until they are closed.
    "asyncore_use_poll": True,
    "connection_limit": 500,
    "channel_timeout": 20,
    "cleanup_interval": 5,
    "max_request_header_size": 32 * 1024,
    "max_request_body_size": 9 * 1024 * 1024,  # a little more than the app accepts, so that it can say why
}


@click.command()
@click.option("--host", default=HOST, show_default=True, help="Address to listen on; 0.0.0.0 in a container.")
@click.option("--port", type=PORT, default=LOCAL_PORT, show_default=True, help="Web port.")
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=WAITRESS_OPTIONS["threads"],
    show_default=True,
    help="Requests answered at once.",
)
@click.pass_obj
def web(context: AppContext, host: str, port: int, threads: int) -> None:
    """Run the web server alone: the site, the desk and, on one machine, the mailbox.

    `digest up` starts it by itself. It reads whole requests before a thread answers them, so that
    visitors who send slowly keep nobody out.
    """
    import waitress

    app = context.flask_app()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unavailable(
            f"the web server cannot listen on {host}, port {port}: {error.strerror or error}"
        ) from None
    app.extensions["digest.monitor"].start()
    waitress.serve(app, sockets=[listener], **WAITRESS_OPTIONS | {"threads": threads})

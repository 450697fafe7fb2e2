"""The ports of the servers on this machine."""

import socket
from urllib.parse import urlsplit

import click

from digest.base_url import DEFAULT_PORTS, LOCAL_PORT
from digest.cli import SettingsView

HOST = "127.0.0.1"
PORT = click.IntRange(1, 65535)


def last_port(settings: SettingsView) -> int:
    """The port of the last `digest up` or `digest init --port` here, so that links sent before keep working."""
    if not settings.has_default_base_url:
        return LOCAL_PORT
    return urlsplit(settings.base_url).port or DEFAULT_PORTS["http"]


def store_port(settings: SettingsView, port: int) -> None:
    """Make the site's URL the one at this port of this machine, from the next `settings()` on."""
    (settings.home / "base-url").write_text(f"http://{HOST}:{port}\n")


def is_free(port: int) -> bool:
    """Whether no server listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True

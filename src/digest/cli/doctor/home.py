"""The data directory: who can read it, and whether it can be written."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from digest.cli import AppContext
from digest.cli.doctor.finding import Finding


def check_home(context: AppContext) -> Iterator[Finding]:
    """Other users of this machine should have no access."""
    from digest.cli.doctor.home_permissions import find_exposed, is_readable

    settings = context.settings()
    secrets = {row["source"] or "" for row in context.describe_settings() if "…" in (row["value"] or "")}
    for source in sorted(secrets):
        if is_readable(Path(source)):
            summary = f"other users of this machine can read {source}, which contains secrets"
            yield Finding("home", "warn", summary, f"run `chmod go= {source}`")
    if exposed := find_exposed(settings.home, settings.database_url):
        summary = f"other users of this machine can read {exposed}"
        yield Finding("home", "warn", summary, f"run `chmod -R go= {exposed}`")
        return
    yield Finding("home", "ok", f"only you can read {settings.home}")


def check_disk(context: AppContext) -> Iterator[Finding]:
    """Write a file for real, and see how much room is left."""
    from digest.monitoring import disk

    home = context.settings().home
    try:
        disk.write_probe(home)
    except OSError as error:
        summary = f"nothing can be written to {home}: {error.strerror}"
        yield Finding("disk", "bad", summary, "free some space, or give it to the user that runs digest")
        return
    free = shutil.disk_usage(home).free
    summary = f"{disk.describe_bytes(free)} free at {home}"
    if free < disk.MIN_BYTES:
        yield Finding("disk", "bad", summary, "free some space: a full disk stops sending")
    elif free < disk.LOW_BYTES:
        yield Finding("disk", "warn", summary, "free some space before it is full")
    else:
        yield Finding("disk", "ok", summary)

"""`digest backup`: one checked file with everything that a new machine needs."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from digest.cli import AppContext
from digest.cli.backups.passphrase import PASSPHRASE_FILE, read_passphrase
from digest.errors import NotAllowed

ShowProgress = Callable[[str, int], None]  # (table, rows)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@PASSPHRASE_FILE
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@click.pass_obj
def backup(context: AppContext, file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Write database, keys and progress journals to FILE, while everything runs.

    FILE is encrypted with a passphrase if there is one (DIGEST_BACKUP_PASSPHRASE or
    --passphrase-file). Without, whoever can read it has every address and key.
    """
    from digest.access.audit_verbs import Verb
    from digest.backup.creating import create_backup
    from digest.cli.audit import record
    from digest.db import database_now, utcnow
    from digest.installation import upgrading
    from digest.monitoring import heartbeats

    passphrase = read_passphrase(passphrase_file, context.settings().backup_passphrase)
    started = time.monotonic()
    services = context.services()
    with show_progress() as progress, _one_line_for_files(file):
        written = create_backup(
            services.db, services.home, file, passphrase=passphrase, now=utcnow(), progress=progress
        )
    if upgrading.find_write_obstacle_in(services.db) is None:  # of another version it is only read
        with services.db.begin() as session:
            record(session, Verb.BACK_UP, "setting", details="encrypted" if passphrase else "not encrypted")
            plan = services.backup_plan
            heartbeats.record_backup(session, database_now(session), None if plan is None else plan.every)
    seconds = time.monotonic() - started
    if as_json:
        facts = {
            "file": str(file),
            "bytes": written.bytes,
            "encrypted": bool(passphrase),
            "rows": written.rows,
        }
        click.echo(json.dumps(facts, indent=2))
        return
    size = f"{written.bytes / 1_000_000:,.1f} MB"
    click.echo(f"{file}: {written.total_rows:,} rows, {size}, {seconds:.1f} s")
    if not passphrase:
        click.echo("It is not encrypted: set DIGEST_BACKUP_PASSPHRASE unless its disk is.", err=True)
    if not context.settings().has_generated_keys:
        click.echo("The signing keys are not in it: keep DIGEST_SECRET_KEYS elsewhere.", err=True)


@contextmanager
def show_progress() -> Iterator[ShowProgress]:
    """A line that says which table is at work, on a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda _table, _rows: None
        return
    with console.status("") as status:
        yield lambda table, rows: status.update(f"{table}: {rows:,} rows")


@contextmanager
def _one_line_for_files(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotAllowed(f"{file} cannot be written: {error.strerror or error}") from None

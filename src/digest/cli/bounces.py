"""`digest bounces`: classify messages that came back, without a database."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digest.errors import BadInput

if TYPE_CHECKING:
    from digest.bounces.message_files import StoredMessage
    from digest.bounces.report import BounceReport, Kind, Recipient


@click.group("bounces")
def group() -> None:
    """Read bounces, complaints and automatic replies."""


@group.command("read")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object for each recipient, in an array."
)
def read(files: tuple[Path, ...], as_json: bool) -> None:
    """Say what messages mean: FILE is an email, an mbox, a Maildir, a folder of them, or - for standard input.

    Nothing is stored. Each recipient is hard (the address is gone), soft (it may work another time), block (the mail
    server refused us), complaint, delay, autoreply or nothing. Files that cannot be read are reported and skipped, and
    the exit code is then 1.
    """
    from digest.bounces.message import clean

    unreadable: list[str] = []
    reports = _reports(files, unreadable)
    counts = _print_json(reports) if as_json else _print_lines(reports)
    for line in unreadable:
        click.echo(f"digest: {clean(line)}", err=True)
    if not as_json:
        click.echo(_summary(counts))
    if unreadable:
        sys.exit(1)


def _reports(
    files: tuple[Path, ...], unreadable: list[str]
) -> "Iterator[tuple[StoredMessage, BounceReport]]":
    from digest.bounces.classify import classify
    from digest.bounces.message_files import find_files

    for path in (found for name in files for found in find_files(name)):
        try:
            for message in _messages(path):
                yield message, classify(message.raw)
        except BadInput as error:
            unreadable.append(str(error))


def _messages(path: Path) -> "Iterator[StoredMessage]":
    from digest.bounces.message_files import STDIN, read_file, read_stream

    return read_stream(sys.stdin.buffer, "stdin") if str(path) == STDIN else read_file(path)


def _print_json(reports: "Iterator[tuple[StoredMessage, BounceReport]]") -> "Counter[Kind]":
    """Print an array with a line for each recipient, as they are found: a mailbox may be larger than the memory."""
    counts: Counter[Kind] = Counter()
    separator = "[\n"
    for message, report in reports:
        counts[report.kind] += 1
        for recipient in report.recipients or (None,):
            click.echo(separator + json.dumps(_facts(message, report, recipient)), nl=False)
            separator = ",\n"
    click.echo("[]" if separator == "[\n" else "\n]")
    return counts


def _facts(message: "StoredMessage", report: "BounceReport", recipient: "Recipient | None") -> dict[str, Any]:
    return {
        "file": message.file,
        "message": message.number,
        "recipient": recipient.address if recipient else None,
        "kind": recipient.kind if recipient else report.kind,
        "status": recipient.status if recipient else report.status,
        "evidence": recipient.evidence if recipient else report.evidence,
        "final_recipient": recipient.final_address if recipient else None,
        "message_id": report.original.message_id,
        "original_to": report.original.to,
        "return_path": report.original.return_path,
        "feedback_id": report.original.feedback_id,
        "delivered_to": list(report.delivered_to),
    }


def _print_lines(reports: "Iterator[tuple[StoredMessage, BounceReport]]") -> "Counter[Kind]":
    from digest.bounces.message import clean

    counts: Counter[Kind] = Counter()
    for message, report in reports:
        counts[report.kind] += 1
        for recipient in report.recipients or (None,):
            facts = _facts(message, report, recipient)
            words = (facts["kind"].ljust(9), (facts["status"] or "").ljust(6), facts["recipient"] or "-")
            where = f"{clean(message.file)}, message {message.number}"
            click.echo(f"{' '.join(words)}  {where}\n{' ' * 10}{facts['evidence']}")
    return counts


def _summary(counts: "Counter[Kind]") -> str:
    from digest.bounces.report import Kind

    found = ", ".join(f"{counts[kind]:,} {kind}" for kind in Kind if counts[kind])
    total = counts.total()
    return f"{total:,} {'message' if total == 1 else 'messages'}" + (f": {found}" if found else "")

"""Output of the subscriber commands, as JSON and as text."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digest.audience.export import ExportRow
    from digest.audience.importing.report import FileReport
    from digest.audience.importing.results import ImportResult
    from digest.audience.importing.undo import UndoResult
    from digest.audience.models import SubscriberImport
    from digest.cli.subscriber_import import ImportOutcome

MAX_BAD_ROWS = 20  # shown on a terminal
MAX_WORDS = 8


def import_json(outcome: "ImportOutcome") -> dict[str, Any]:
    """The totals of an import, how its columns were read, and the first thousand rejected rows, for JSON."""
    result = outcome.result
    rejected = [
        {"line": row.line, "result": row.result, "reason": row.reason, "text": row.text}
        for row in result.rejected
    ]
    return {
        "import": outcome.import_id,
        "dry_run": outcome.import_id is None,
        **result.counts(),
        "invited": len(result.invited),
        "topics": dict(result.topics),
        "bad_rows": [row for row in rejected if row["result"] == "bad"],
        "rejected_rows": rejected,
        **outcome.report.to_json(),
    }


def format_import(outcome: "ImportOutcome", confirmed: bool) -> str:
    """The totals of an import and the first bad rows, as text."""
    result, is_dry = outcome.result, outcome.import_id is None
    lines = [*_format_columns(outcome.report), *_format_counts(result, confirmed)]
    if result.invited:
        lines.append(
            f"{len(result.invited):>9,} {'would' if is_dry else 'will'} be sent a confirmation email"
        )
    if result.topics:
        chosen = ", ".join(f"{topic} {count:,}" for topic, count in sorted(result.topics.items()))
        lines.append(f"Topics chosen by tag: {chosen}")
    bad = [row for row in result.rejected if row.result == "bad"][:MAX_BAD_ROWS]
    lines += [f"line {row.line}: {row.reason} ({row.text})" for row in bad]
    if result.bad > len(bad):
        lines.append(f"and {result.bad - len(bad):,} more")
    if is_dry:
        lines.append("Dry run: nothing was imported.")
    elif result.added or result.revised:
        lines.append(f"To undo this: digest subscribers undo-import {outcome.import_id}")
    return "\n".join(lines)


def _format_columns(report: "FileReport") -> list[str]:
    lines = [f"{'Written by':<16} {report.tool}"] if report.tool else []
    lines.append(f"{'Address column':<16} {report.address_column}")
    if report.whole_file:
        lines.append(
            f"{'Status':<16} {report.whole_file} in every row: {report.tool} exports them to a file of their own"
        )
    for column in report.status_columns:
        words = [
            f"{word if word[0] == '(' else f'“{word}”'} {count:,}" for word, count in column.words.items()
        ]
        more = f", and {len(words) - MAX_WORDS} more words" if len(words) > MAX_WORDS else ""
        lines.append(
            f"{'Status column':<16} {column.name} ({column.role}): {', '.join(words[:MAX_WORDS])}{more}"
        )
    if not report.status_columns and not report.whole_file:
        lines.append(f"{'Status column':<16} none: every row counts as subscribed")
    if report.consent_columns:
        lines.append(f"{'Kept as proof':<16} {', '.join(report.consent_columns)}")
    if report.ignored_columns:
        lines.append(f"{'Ignored':<16} {', '.join(report.ignored_columns)}")
    return lines


def _format_counts(result: "ImportResult", confirmed: bool) -> list[str]:
    lines = [
        f"{result.rows:,} row{'' if result.rows == 1 else 's'} read",
        f"{result.added:>9,} added as {'readers' if confirmed else 'pending'}",
        f"{result.known:>9,} already known",
    ]
    others = {
        f"resubscribed as {'readers' if confirmed else 'pending'}: this file corrects an earlier one": result.revised,
        "signed up here themselves: the file's opt-out does not count": result.kept,
        "unsubscribed, skipped": result.unsubscribed,
        "suppressed, skipped": result.suppressed,
        "not subscribed according to the status column": result.not_subscribed,
        "repeated": result.repeated,
        "invalid": result.bad,
    }
    return lines + [f"{count:>9,} {reason}" for reason, count in others.items() if count]


def subscriber_json(line: "ExportRow", addresses: bool) -> dict[str, Any]:
    """One subscriber of a list; the address is masked unless `addresses`."""
    from digest.audience.address import mask

    since = line.confirmed_at or line.requested_at
    return {
        "subscriber": line.subscriber_id,
        "address": line.address if addresses else mask(line.address),
        "status": line.status,
        "since": since.date().isoformat(),
        "source": line.source,
    }


def import_row_json(row: "SubscriberImport") -> dict[str, Any]:
    """One import of the list."""
    from digest.audience.importing import imports

    return {
        "import": row.id,
        "file": row.file_name,
        "started_at": row.started_at.isoformat(timespec="seconds"),
        "status": imports.status(row),
        "confirmed": row.confirmed,
        "source": row.source,
        "counts": imports.counts(row),
    }


def format_import_row(fact: dict[str, Any]) -> str:
    """One import of the list, as text."""
    counts = fact["counts"]
    added = f"{counts['added']:,} of {counts['rows']:,} rows added" if "rows" in counts else "not complete"
    return (
        f"{fact['import']:>6}  {fact['started_at'][:16]}  {fact['status']:<12}  {added:<28}  {fact['file']}"
    )


def format_undo(import_id: int, result: "UndoResult") -> str:
    """What an undo did, as text."""
    lines = {
        "removed": result.removed,
        "restored": result.restored,
        "unsubscribed: they have been sent an issue": result.unsubscribed,
        "kept: they acted since, or a later import changed them": result.kept,
    }
    told = [f"{count:>9,} {words}" for words, count in lines.items() if count]
    return "\n".join([f"Import {import_id} is undone", *told])

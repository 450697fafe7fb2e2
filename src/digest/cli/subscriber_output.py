"""Output of the subscriber commands, as JSON and as text."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digest.audience.export import ExportRow
    from digest.audience.import_rules import ImportResult

MAX_BAD_ROWS = 20  # shown on a terminal; --json lists all


def import_json(result: "ImportResult") -> dict[str, Any]:
    """The totals of an import and every bad row, for JSON."""
    counts = ("rows", "added", "known", "left", "suppressed", "not_subscribed", "repeated", "bad")
    bad_rows = [{"line": bad.line, "reason": bad.reason, "text": bad.text} for bad in result.bad_rows]
    return {
        **{name: getattr(result, name) for name in counts},
        "invited": len(result.invited),
        "bad_rows": bad_rows,
    }


def format_import(result: "ImportResult", confirmed: bool) -> str:
    """The totals of an import and the first bad rows, as text."""
    lines = [
        f"{result.rows:,} row{'' if result.rows == 1 else 's'} read",
        f"{result.added:>9,} added as {'readers' if confirmed else 'pending'}",
        f"{result.known:>9,} already known",
    ]
    skipped = {
        "unsubscribed, skipped": result.left,
        "suppressed, skipped": result.suppressed,
        "not subscribed according to the status column": result.not_subscribed,
        "repeated": result.repeated,
        "invalid": result.bad,
    }
    lines += [f"{count:>9,} {reason}" for reason, count in skipped.items() if count]
    if result.invited:
        lines.append(f"{len(result.invited):>9,} will be sent a confirmation email")
    lines += [f"line {bad.line}: {bad.reason} ({bad.text})" for bad in result.bad_rows[:MAX_BAD_ROWS]]
    if result.bad > MAX_BAD_ROWS:
        lines.append(f"and {result.bad - MAX_BAD_ROWS:,} more; --json lists them all")
    return "\n".join(lines)


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

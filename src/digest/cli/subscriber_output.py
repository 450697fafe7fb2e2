"""What the subscriber commands print, as plain data and as text."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digest.audience.export import Line
    from digest.audience.importing import Result

MAX_BAD_ROWS = 20  # bad rows on a terminal; --json lists all


def import_json(result: "Result") -> dict[str, Any]:
    """The sums of an import and each bad row, for JSON."""
    counts = ("rows", "added", "known", "left", "suppressed", "not_subscribed", "repeated", "bad")
    bad_rows = [{"line": bad.line, "reason": bad.reason, "text": bad.text} for bad in result.bad_rows]
    return {
        **{name: getattr(result, name) for name in counts},
        "invited": len(result.invited),
        "bad_rows": bad_rows,
    }


def format_import(result: "Result", confirmed: bool) -> str:
    """The same for a person: sums that say what they mean, and the first bad rows."""
    lines = [
        f"{result.rows:,} row{'' if result.rows == 1 else 's'} read",
        f"{result.added:>9,} added as {'readers' if confirmed else 'pending'}",
        f"{result.known:>9,} known already",
    ]
    rest = {
        "left: not mailed": result.left,
        "suppressed: not mailed": result.suppressed,
        "not subscribed, by their status column": result.not_subscribed,
        "repeated": result.repeated,
        "not usable": result.bad,
    }
    lines += [f"{number:>9,} {what}" for what, number in rest.items() if number]
    if result.invited:
        lines.append(f"{len(result.invited):>9,} will be mailed a confirmation letter")
    lines += [f"line {bad.line}: {bad.reason} ({bad.text})" for bad in result.bad_rows[:MAX_BAD_ROWS]]
    if result.bad > MAX_BAD_ROWS:
        lines.append(f"and {result.bad - MAX_BAD_ROWS:,} more; --json lists them all")
    return "\n".join(lines)


def subscriber_json(line: "Line", addresses: bool) -> dict[str, Any]:
    """One subscriber for a listing; the address is masked unless `addresses`."""
    from digest.audience.address import masked

    since = line.confirmed_at or line.requested_at
    return {
        "subscriber": line.subscriber_id,
        "address": line.address if addresses else masked(line.address),
        "standing": line.standing,
        "since": since.date().isoformat(),
        "source": line.source,
    }

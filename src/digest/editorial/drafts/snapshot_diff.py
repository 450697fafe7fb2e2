"""Compares two snapshots of an issue, and reverts a single edit without losing the later ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import SequenceMatcher
from typing import Any, TypeVar

from digest.editorial.drafts.snapshot import TEXTS, IssueSnapshot, PickSnapshot, RejectionSnapshot


@dataclass(frozen=True)
class SnapshotDiff:
    """What differs between two snapshots: the names of texts, and picks by the ids of their comparisons."""

    texts: tuple[str, ...]
    added: tuple[int, ...]
    removed: tuple[int, ...]
    moved: tuple[int, ...]
    updated: tuple[int, ...]  # another version of the comparison
    noted: tuple[int, ...]
    pinned: tuple[int, ...]
    unpinned: tuple[int, ...]


Entry = TypeVar("Entry", PickSnapshot, RejectionSnapshot)


def diff_snapshots(before: IssueSnapshot, after: IssueSnapshot) -> SnapshotDiff:
    """Return what differs; a pick has moved when it is not in the longest sequence that both have in common."""
    old, new = _by_comparison(before.picks), _by_comparison(after.picks)
    common = [number for number in new if number in old]
    return SnapshotDiff(
        texts=tuple(name for name in TEXTS if getattr(before, name) != getattr(after, name)),
        added=tuple(number for number in new if number not in old),
        removed=tuple(number for number in old if number not in new),
        moved=tuple(_find_moved([number for number in old if number in new], common)),
        updated=tuple(number for number in common if old[number].version_id != new[number].version_id),
        noted=tuple(number for number in common if old[number].note != new[number].note),
        pinned=tuple(number for number in common if new[number].pinned and not old[number].pinned),
        unpinned=tuple(number for number in common if old[number].pinned and not new[number].pinned),
    )


def summarize_diff(diff: SnapshotDiff) -> str:
    """Return the differences in a few words, without titles: "subject and intro edited, 2 picks added"."""
    parts = [f"{' and '.join(diff.texts)} edited"] if diff.texts else []
    for changed, one, several in (
        (diff.noted, "note edited", "notes edited"),
        (diff.added, "pick added", "picks added"),
        (diff.removed, "pick removed", "picks removed"),
        (diff.moved, "picks reordered", "picks reordered"),
        (diff.updated, "pick updated", "picks updated"),
        (diff.pinned, "pick pinned", "picks pinned"),
        (diff.unpinned, "pick unpinned", "picks unpinned"),
    ):
        if changed:
            parts.append(one if len(changed) == 1 else several)
    return ", ".join(parts) or "rejected comparisons changed"


def revert_edit(current: IssueSnapshot, before: IssueSnapshot, after: IssueSnapshot) -> IssueSnapshot:
    """Return `current` without the edit that turned `before` into `after`; what was edited since then stays.

    When nothing was edited since, the result is `before`.
    """
    texts = {name: _revert_field(name, current, before, after) for name in TEXTS}
    picks = _revert_entries(current.picks, before.picks, after.picks)
    picked = {pick.comparison_id for pick in picks}
    rejections = [
        rejection
        for rejection in _revert_entries(current.rejections, before.rejections, after.rejections)
        if rejection.comparison_id not in picked
    ]
    return IssueSnapshot(**texts, picks=tuple(picks), rejections=tuple(rejections))


def _by_comparison(entries: Sequence[Entry]) -> dict[int, Entry]:
    return {entry.comparison_id: entry for entry in entries}


def _find_moved(old: Sequence[int], new: Sequence[int]) -> list[int]:
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    unmoved = {new[block.b + step] for block in blocks for step in range(block.size)}
    return [number for number in new if number not in unmoved]


def _revert_field(name: str, current: Any, before: Any, after: Any) -> Any:
    """The value before the edit, where the edit changed the field and nobody changed it since."""
    present, edited = getattr(current, name), getattr(after, name)
    return getattr(before, name) if present == edited else present


def _revert_entries(current: Sequence[Entry], before: Sequence[Entry], after: Sequence[Entry]) -> list[Entry]:
    old, new = _by_comparison(before), _by_comparison(after)
    entries = [
        _revert_entry(entry, old, new)
        for entry in current
        if entry.comparison_id in old or entry.comparison_id not in new
    ]
    old_order = [number for number in old if number in new]
    if old_order != [number for number in new if number in old]:
        entries = _reorder(entries, old_order)
    present = {entry.comparison_id for entry in current}
    for index, entry in enumerate(before):
        if entry.comparison_id not in new and entry.comparison_id not in present:
            entries.insert(index, entry)
    return entries


def _revert_entry(entry: Entry, old: Mapping[int, Entry], new: Mapping[int, Entry]) -> Entry:
    before, after = old.get(entry.comparison_id), new.get(entry.comparison_id)
    if before is None or after is None:
        return entry
    values = {field.name: _revert_field(field.name, entry, before, after) for field in fields(entry)}
    return replace(entry, **values)


def _reorder(entries: list[Entry], order: Sequence[int]) -> list[Entry]:
    """The entries in `order` rearranged among the positions they hold together; the others stay where they are."""
    rank = {number: index for index, number in enumerate(order)}
    in_order = [entry for entry in entries if entry.comparison_id in rank]
    ordered = iter(sorted(in_order, key=lambda entry: rank[entry.comparison_id]))
    return [next(ordered) if entry.comparison_id in rank else entry for entry in entries]

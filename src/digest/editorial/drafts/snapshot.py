"""All of an issue that can be edited, as one value: to keep, to compare, to take one edit back, to put in place again.

Who edits never thinks of it; versions.py keeps one for each edit.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from difflib import SequenceMatcher
from typing import Any, TypeVar

from sqlalchemy import delete
from sqlalchemy.orm import Session

from digest.editorial.models import Issue, Pick, Rejection

TEXTS = ("subject", "preheader", "intro")


@dataclass(frozen=True)
class PickSnapshot:
    """A pick: the comparison, the version of it, and what an editor and the ranking say of it."""

    comparison_id: int
    version_id: int
    reason: str
    note: str
    pinned: bool


@dataclass(frozen=True)
class RejectionSnapshot:
    """A comparison that was not chosen."""

    comparison_id: int
    reason: str
    vetoed: bool


@dataclass(frozen=True)
class IssueSnapshot:
    """The texts, the picks in their order, and what was not chosen in its order."""

    subject: str
    preheader: str
    intro: str
    picks: tuple[PickSnapshot, ...]
    rejections: tuple[RejectionSnapshot, ...]


@dataclass(frozen=True)
class SnapshotDiff:
    """What differs between two manuscripts. Picks by the numbers of their comparisons."""

    texts: tuple[str, ...]  # of TEXTS
    added: tuple[int, ...]
    removed: tuple[int, ...]
    moved: tuple[int, ...]
    noted: tuple[int, ...]
    pinned: tuple[int, ...]
    unpinned: tuple[int, ...]

    @property
    def words_only(self) -> bool:
        """Whether nothing but texts and notes differ."""
        return not (self.added or self.removed or self.moved or self.pinned or self.unpinned)


Entry = TypeVar("Entry", PickSnapshot, RejectionSnapshot)


def take_snapshot(issue: Issue) -> IssueSnapshot:
    """The issue as it stands."""
    return IssueSnapshot(
        issue.subject,
        issue.preheader,
        issue.intro,
        tuple(PickSnapshot(p.comparison_id, p.version_id, p.reason, p.note, p.pinned) for p in issue.picks),
        tuple(RejectionSnapshot(row.comparison_id, row.reason, row.vetoed) for row in issue.rejections),
    )


def serialize(script: IssueSnapshot) -> bytes:
    """A few kilobytes, small enough to keep one for every edit."""
    return zlib.compress(json.dumps(asdict(script), separators=(",", ":")).encode())


def deserialize(packed: bytes) -> IssueSnapshot:
    """The reverse of `pack`."""
    found = json.loads(zlib.decompress(packed))
    picks = tuple(PickSnapshot(**pick) for pick in found.pop("picks"))
    return IssueSnapshot(
        **found | {"picks": picks, "left_out": tuple(RejectionSnapshot(**o) for o in found["left_out"])}
    )


def restore_snapshot(session: Session, issue: Issue, script: IssueSnapshot) -> None:
    """Make the issue say what `script` says. The caller has taken the issue's row."""
    for name in TEXTS:
        setattr(issue, name, getattr(script, name))
    there = {pick.comparison_id: pick for pick in issue.picks}
    for position, one in enumerate(script.picks, start=1):
        pick = there.pop(one.comparison_id, None) or Pick(issue_id=issue.id, comparison_id=one.comparison_id)
        pick.position, pick.version_id = position, one.version_id
        pick.reason, pick.note, pick.pinned = one.reason, one.note, one.pinned
        session.add(pick)
    for gone in there.values():
        session.delete(gone)
    session.execute(delete(Rejection).where(Rejection.issue_id == issue.id))
    session.expire(issue, ["rejections"])
    session.add_all(
        Rejection(
            issue_id=issue.id, comparison_id=o.comparison_id, rank=rank, why_not=o.reason, vetoed=o.vetoed
        )
        for rank, o in enumerate(script.rejections, start=1)
    )
    session.flush()
    session.expire(issue, ["picks", "rejections"])


def revert_edit(now: IssueSnapshot, before: IssueSnapshot, after: IssueSnapshot) -> IssueSnapshot:
    """`now` without the edit that made `after` of `before`; what others changed since then stays.

    When nothing was changed since, that is `before`.
    """
    texts = {name: _back(name, now, before, after) for name in TEXTS}
    picks = _list_back(now.picks, before.picks, after.picks)
    placed = {pick.comparison_id for pick in picks}
    left_out = _list_back(now.rejections, before.rejections, after.rejections)
    return IssueSnapshot(
        **texts, picks=tuple(picks), rejections=tuple(o for o in left_out if o.comparison_id not in placed)
    )


def diff_snapshots(before: IssueSnapshot, after: IssueSnapshot) -> SnapshotDiff:
    """What differs; a pick has moved when it is not in the longest order that both have in common."""
    old, new = _by_number(before.picks), _by_number(after.picks)
    stayed = [number for number in new if number in old]
    return SnapshotDiff(
        texts=tuple(name for name in TEXTS if getattr(before, name) != getattr(after, name)),
        added=tuple(number for number in new if number not in old),
        removed=tuple(number for number in old if number not in new),
        moved=tuple(_moved([number for number in old if number in new], stayed)),
        noted=tuple(number for number in stayed if old[number].note != new[number].note),
        pinned=tuple(number for number in stayed if new[number].pinned and not old[number].pinned),
        unpinned=tuple(number for number in stayed if old[number].pinned and not new[number].pinned),
    )


def summarize_diff(found: SnapshotDiff) -> str:
    """The changes in a few words, without the names of picks: "the subject, a note"."""
    parts = [f"the {name}" for name in found.texts]
    for numbers, one, many in (
        (found.noted, "a note", "notes"),
        (found.added, "a pick added", "picks added"),
        (found.removed, "a pick taken out", "picks taken out"),
        (found.moved, "the order", "the order"),
        (found.pinned + found.unpinned, "a pin", "pins"),
    ):
        parts += [one if len(numbers) == 1 else many] if numbers else []
    return ", ".join(parts) or "what was not chosen"


def _by_number(entries: Sequence[Entry]) -> dict[int, Entry]:
    return {entry.comparison_id: entry for entry in entries}


def _moved(old: Sequence[int], new: Sequence[int]) -> list[int]:
    kept = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    still = {new[block.b + step] for block in kept for step in range(block.size)}
    return [number for number in new if number not in still]


def _back(name: str, now: Any, before: Any, after: Any) -> Any:
    """One field: as it was before, where the edit changed it and nobody since."""
    present, changed = getattr(now, name), getattr(after, name)
    return getattr(before, name) if present == changed else present


def _list_back(now: Sequence[Entry], before: Sequence[Entry], after: Sequence[Entry]) -> list[Entry]:
    old, new = _by_number(before), _by_number(after)
    kept = [
        _entry_back(entry, old, new)
        for entry in now
        if entry.comparison_id in old or entry.comparison_id not in new
    ]
    common = [number for number in old if number in new]
    if common != [number for number in new if number in old]:
        kept = _in_order(kept, common)
    there = {entry.comparison_id for entry in now}
    for place, entry in enumerate(before):
        if entry.comparison_id not in new and entry.comparison_id not in there:
            kept.insert(place, entry)
    return kept


def _entry_back(entry: Entry, old: Mapping[int, Entry], new: Mapping[int, Entry]) -> Entry:
    before, after = old.get(entry.comparison_id), new.get(entry.comparison_id)
    if before is None or after is None:
        return entry
    return replace(entry, **{field.name: _back(field.name, entry, before, after) for field in fields(entry)})


def _in_order(entries: list[Entry], order: Sequence[int]) -> list[Entry]:
    """The entries of `order` in that order, in the places that they hold together; the others stay where they are."""
    place = {number: index for index, number in enumerate(order)}
    ordered = iter(
        sorted((e for e in entries if e.comparison_id in place), key=lambda e: place[e.comparison_id])
    )
    return [next(ordered) if entry.comparison_id in place else entry for entry in entries]

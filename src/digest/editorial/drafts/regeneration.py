"""What drafting an issue now would do to it: which picks leave, come and get a newer version. Nothing is changed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from digest.editorial.models import Issue, Pick
from digest.editorial.selection import candidates, reasons
from digest.editorial.selection.ranking import SelectedCandidate, Selection, select_picks
from digest.publications.models import Publication

_FINGERPRINT_CHARS = 16


@dataclass(frozen=True)
class AddedPick:
    """A candidate that would become a pick, and its position from 1."""

    position: int
    selected: SelectedCandidate


@dataclass(frozen=True)
class RemovedPick:
    """A pick that would leave the issue, and why."""

    pick: Pick
    reason: str


@dataclass(frozen=True)
class DraftPlan:
    """The new picks in order with the rejected candidates, and what of it changes the issue."""

    selection: Selection
    added: tuple[AddedPick, ...]
    removed: tuple[RemovedPick, ...]
    updated: tuple[Pick, ...]  # stay, in the comparison's current version

    @property
    def is_empty(self) -> bool:
        """Whether the picks would stay as they are."""
        return not (self.added or self.removed or self.updated)

    @property
    def summary(self) -> str:
        """What it changes, in a few words: "Regenerated: 2 picks added, 1 removed"."""
        counts = ((self.added, "added"), (self.removed, "removed"), (self.updated, "updated"))
        parts = [f"{len(entries)} {verb}" for entries, verb in counts if entries]
        if not parts:
            return "Regenerated"
        count, _, rest = ", ".join(parts).partition(" ")
        return f"Regenerated: {count} {'pick' if count == '1' else 'picks'} {rest}"

    @property
    def fingerprint(self) -> str:
        """Identifies the new picks in 16 hex digits, to tell whether a plan that was shown still holds."""
        picks = [selected.candidate.version_id for selected in self.selection.picks]
        removed = [entry.pick.id for entry in self.removed]
        return hashlib.sha256(f"{picks} {removed}".encode()).hexdigest()[:_FINGERPRINT_CHARS]


def plan_draft(
    session: Session, publication: Publication, issue: Issue | None, clicks: Mapping[str, int] | None = None
) -> DraftPlan:
    """Return what drafting does: a new issue when `issue` is None, else the next state of this draft.

    Pins, picks with a note and exclusions are kept. What stays keeps its order; what comes takes the places of what
    leaves. `clicks` counts recent clicks by tool slug.
    """
    picks = issue.picks if issue else []
    kept = {pick.comparison_id for pick in picks if pick.pinned or pick.note}
    exclusions = {row.comparison_id for row in issue.rejections if row.is_excluded} if issue else set[int]()
    found = candidates.list_new(session, publication.id)
    found += candidates.list_by_ids(
        session, publication.id, (kept | exclusions) - {candidate.comparison_id for candidate in found}
    )
    current = [pick.comparison_id for pick in picks]
    selection = select_picks(
        found, publication.picks_per_issue, current=current, pins=kept, exclusions=exclusions, clicks=clicks
    )
    return _compare(picks, selection)


def _compare(picks: list[Pick], selection: Selection) -> DraftPlan:
    before = {pick.comparison_id: pick for pick in picks}
    after = {selected.candidate.comparison_id: selected for selected in selection.picks}
    why_not = {rejected.candidate.comparison_id: rejected.reason for rejected in selection.rejected}
    return DraftPlan(
        selection,
        added=tuple(
            AddedPick(position, selected)
            for position, selected in enumerate(selection.picks, start=1)
            if selected.candidate.comparison_id not in before
        ),
        removed=tuple(
            RemovedPick(pick, why_not.get(number, reasons.NO_LONGER_NEW))
            for number, pick in before.items()
            if number not in after
        ),
        updated=tuple(
            pick
            for number, pick in before.items()
            if number in after and after[number].candidate.version_id != pick.version_id
        ),
    )

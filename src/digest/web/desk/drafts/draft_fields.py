"""An issue's words in a form: only what an editor changed is written, and what two changed at once is shown to both."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from digest.editorial.models import Issue

FIELDS = ("subject", "preheader", "intro")
NOTE = re.compile(r"note-[0-9]{1,15}")


@dataclass
class Words:
    """What a form sent, against what is stored now; by the form's names (subject, …, note-12 for comparison 12)."""

    changed: dict[str, str] = field(default_factory=dict)  # by this editor, and by nobody else meanwhile
    clashing: dict[str, str] = field(default_factory=dict)  # by both: this editor's text

    @property
    def all(self) -> dict[str, str]:
        """Every text that this editor changed."""
        return self.changed | self.clashing


def stored(issue: Issue) -> dict[str, str]:
    """The issue's words by the form's names."""
    words = {name: str(getattr(issue, name)) for name in FIELDS}
    return words | {f"note-{pick.comparison_id}": pick.note for pick in issue.picks}


def mark(text: str) -> str:
    """A short mark of a text, which the form carries beside each field: the text the editor started from."""
    return hashlib.sha256(clean(text).encode()).hexdigest()[:16]


def compare(form: Mapping[str, str], now_stored: Mapping[str, str]) -> Words:
    """Sort the form's texts into those that only this editor changed and those that clash with another's."""
    words = Words()
    for name, theirs in now_stored.items():
        if name not in form:
            continue
        mine, started_from = clean(form[name]), form.get(f"was-{name}", "")
        if mine == clean(theirs) or mark(mine) == started_from:
            continue
        calm = started_from == mark(theirs)
        (words.changed if calm else words.clashing)[name] = mine
    words.clashing |= lost(form, now_stored)
    return words


def lost(form: Mapping[str, str], now_stored: Mapping[str, str]) -> dict[str, str]:
    """Notes of this form whose pick is no longer in the issue, so that they can be shown before they go."""
    return {
        name: clean(text)
        for name, text in form.items()
        if NOTE.fullmatch(name)
        and name not in now_stored
        and clean(text)
        and mark(text) != form.get(f"was-{name}")
    }


def clean(text: str) -> str:
    """A form's text with our line ends and nothing around it."""
    return text.replace("\r\n", "\n").strip()

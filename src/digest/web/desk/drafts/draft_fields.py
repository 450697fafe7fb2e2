"""An issue's texts in a form: only what this editor changed is saved, and concurrent changes are found."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from digest.editorial.models import Issue

TEXT_FIELDS = ("subject", "preheader", "intro")
NOTE_FIELD = re.compile(r"note-[0-9]{1,15}")


@dataclass
class SubmittedTexts:
    """What a form sent, compared with what is stored; by form names (subject, …, note-12 for comparison 12)."""

    changed: dict[str, str] = field(default_factory=dict)  # by this editor only
    conflicting: dict[str, str] = field(
        default_factory=dict
    )  # this editor's text, where somebody else changed it too

    @property
    def all(self) -> dict[str, str]:
        """Every text that this editor changed."""
        return self.changed | self.conflicting


def stored_texts(issue: Issue) -> dict[str, str]:
    """The issue's texts by their form names."""
    texts = {name: str(getattr(issue, name)) for name in TEXT_FIELDS}
    return texts | {f"note-{pick.comparison_id}": pick.note for pick in issue.picks}


def text_version(text: str) -> str:
    """A short hash of a text. The form carries it beside each field, to tell which text the editor started from."""
    return hashlib.sha256(normalize(text).encode()).hexdigest()[:16]


def compare(form: Mapping[str, str], now_stored: Mapping[str, str]) -> SubmittedTexts:
    """Sort the form's texts into those that only this editor changed and those that conflict."""
    submitted = SubmittedTexts()
    for name, theirs in now_stored.items():
        if name not in form:
            continue
        mine, base = normalize(form[name]), form.get(f"base-{name}", "")
        if mine == normalize(theirs) or text_version(mine) == base:
            continue
        unchanged_by_others = base == text_version(theirs)
        (submitted.changed if unchanged_by_others else submitted.conflicting)[name] = mine
    submitted.conflicting |= notes_of_removed_picks(form, now_stored)
    return submitted


def notes_of_removed_picks(form: Mapping[str, str], now_stored: Mapping[str, str]) -> dict[str, str]:
    """Notes in the form whose pick is no longer in the issue."""
    return {
        name: normalize(text)
        for name, text in form.items()
        if NOTE_FIELD.fullmatch(name)
        and name not in now_stored
        and normalize(text)
        and text_version(text) != form.get(f"base-{name}")
    }


def normalize(text: str) -> str:
    """A form's text, stripped, with Unix line endings."""
    return text.replace("\r\n", "\n").strip()

"""Comparisons that were sent to the desk: first it is shown what would come of them, then all or none are made."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from digest.catalog import files, importing
from digest.catalog.draft import Draft, from_json
from digest.catalog.models import Upload
from digest.errors import BadInput, NotFound

KEPT_FOR: Final = timedelta(days=1)
MOST_COMPARISONS: Final = 2000


@dataclass(frozen=True)
class Sent:
    """A file that was sent, or a text that was pasted: what it is called, and its bytes."""

    name: str
    data: bytes
    json: bool


@dataclass(frozen=True)
class Planned:
    """What would become of one comparison."""

    source: str
    slug: str
    left: str
    right: str
    change: str  # as importing.Change
    version: int


@dataclass(frozen=True)
class Proposal:
    """An upload that waits for a second press."""

    id: int
    planned: tuple[Planned, ...]
    refused: tuple[str, ...]  # a line for each file that cannot be used

    def count(self, change: str) -> int:
        """How many would be `change`."""
        return sum(one.change == change for one in self.planned)

    @property
    def makes(self) -> int:
        """How many would change the catalog."""
        return len(self.planned) - self.count("unchanged")


def read(sent: Sequence[Sent]) -> tuple[list[Draft], list[str]]:
    """What was sent, and a line for each that cannot be used. Raises BadInput when it is too much for one press."""
    drafts: list[Draft] = []
    refused = []
    for one in sent:
        name = files.shown(one.name)
        try:
            drafts += files.read_bytes(one.data, name, name, json=one.json)
        except BadInput as error:
            refused.append(str(error))
    if len(drafts) > MOST_COMPARISONS:
        raise BadInput(
            f"{len(drafts):,} comparisons are too many for one press; send at most {MOST_COMPARISONS:,}, "
            "or import the folder on the command line"
        )
    return drafts, refused


def propose(
    session: Session, drafts: Sequence[Draft], refused: Sequence[str], *, user_id: int, now: datetime
) -> int:
    """Keep what was read for its sender, with what would be made of it; gives its number. Makes none of it.

    What nobody agreed to within a day is forgotten.
    """
    session.execute(delete(Upload).where(Upload.at < now - KEPT_FOR))
    made = Upload(
        user_id=user_id, drafts=_dumped(drafts), preview=_preview(session, drafts, refused, now), at=now
    )
    session.add(made)
    session.flush()
    return made.id


def proposal(session: Session, number: int, user_id: int) -> Proposal:
    """What user `user_id` sent under this number. Raises NotFound when it is another's, was made or is a day old."""
    found = json.loads(_mine(session, number, user_id).preview)
    return Proposal(number, tuple(Planned(**one) for one in found["planned"]), tuple(found["refused"]))


def drafts(session: Session, number: int, user_id: int, most: int | None = None) -> list[Draft]:
    """The comparisons themselves, or the first `most` of them. Raises NotFound as `proposal`."""
    kept = _mine(session, number, user_id).drafts
    return from_json(kept if most is None else json.dumps(json.loads(kept)[:most]), "upload")


def make(session: Session, number: int, user_id: int, now: datetime) -> bool:
    """Make all of it, as it was shown; False when it would come out otherwise by now: then only the preview changes.

    Raises NotFound as `proposal`.
    """
    mine = _mine(session, number, user_id)
    wanted, shown = drafts(session, number, user_id), json.loads(mine.preview)
    trial = session.begin_nested()
    planned = _planned(wanted, importing.store(session, wanted, now))
    if planned != shown["planned"]:
        trial.rollback()
        mine.preview = json.dumps(shown | {"planned": planned})
        return False
    trial.commit()
    session.delete(mine)
    return True


def drop(session: Session, number: int, user_id: int) -> None:
    """Forget it. Raises NotFound as `proposal`."""
    session.delete(_mine(session, number, user_id))


def _mine(session: Session, number: int, user_id: int) -> Upload:
    found = session.get(Upload, number)
    if found is None or found.user_id != user_id:
        raise NotFound("these comparisons do not wait any more: they were made, dropped, or a day went by")
    return found


def _preview(session: Session, drafts: Sequence[Draft], refused: Sequence[str], now: datetime) -> str:
    """What would be made: done by the import itself, and taken back."""
    trial = session.begin_nested()
    planned = _planned(drafts, importing.store(session, drafts, now))
    trial.rollback()
    return json.dumps({"planned": planned, "refused": list(refused)})


def _planned(drafts: Sequence[Draft], done: Sequence[importing.Imported]) -> list[dict[str, Any]]:
    return [
        asdict(Planned(one.source, one.slug, draft.left.tool, draft.right.tool, one.change, one.version))
        for draft, one in zip(drafts, done, strict=True)
    ]


def _dumped(drafts: Sequence[Draft]) -> str:
    return json.dumps([draft.model_dump(mode="json") for draft in drafts])

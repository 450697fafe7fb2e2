"""Backups by themselves: `DIGEST_BACKUP=/srv/backups daily keep 14`."""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from digest.errors import NotAllowed

_NAMED: Final = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(days=7)}
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1)}
_PLAN = re.compile(
    r"(?P<folder>/.*?)(?:\s+(?:(?P<named>hourly|daily|weekly)|every\s+(?P<count>\d{1,3})(?P<unit>[hd])))?"
    r"(?:\s+keep\s+(?P<keep>\d{1,4}))?",
    re.ASCII,
)
_WRONG: Final = (
    "is not a folder and a schedule; use /srv/backups daily keep 14, or /srv/backups every 6h keep 28"
)
_IDENTITY_CHARS: Final = 8  # in a name: enough to tell a few installations apart
_TIME: Final = "????-??-??T??????Z"
# Tasks run every few minutes: so much earlier counts as in time, or each backup would be a little later than the last.
EARLY: Final = timedelta(minutes=6)


class BackupPlan(NamedTuple):
    """Where backups go, how often one is made, and how many are kept."""

    folder: Path
    every: timedelta = timedelta(days=1)
    keep: int = 14

    def is_due(self, age: timedelta | None) -> bool:
        """Whether it is time for one, when the last is so old; None: there is none."""
        return age is None or age >= self.every - min(EARLY, self.every / 4)


def parse_backup_plan(words: str) -> BackupPlan:
    """`/srv/backups`, with `hourly`, `daily`, `weekly` or `every 6h`, and `keep 14`. Raises ValueError."""
    match = _PLAN.fullmatch(words.strip())
    if not match or match["keep"] == "0" or match["count"] in {"0", "00", "000"}:
        raise ValueError(_WRONG)
    folder, usual = Path(match["folder"]), BackupPlan(Path("/"))
    every = _NAMED.get(match["named"] or "", usual.every)
    if match["count"]:
        every = int(match["count"]) * _UNITS[match["unit"]]
    return BackupPlan(folder, every, int(match["keep"] or usual.keep))


def next_file(plan: BackupPlan, identity: str, now: datetime) -> Path:
    """The file for a backup that is made now of the installation with this identity: others may use the folder, too."""
    return plan.folder / f"{_prefix(identity)}{now:%Y-%m-%dT%H%M%SZ}.backup"


def delete_surplus(plan: BackupPlan, identity: str) -> int:
    """Delete all but the newest backups of this installation, as many as are kept; returns how many.

    Files of other installations, and others, stay.
    """
    surplus = sorted(plan.folder.glob(f"{_prefix(identity)}{_TIME}.backup"))[: -plan.keep]
    for path in surplus:
        path.unlink(missing_ok=True)
    return len(surplus)


def delete_unfinished(plan: BackupPlan, identity: str) -> None:
    """Delete what is left of backups whose process was killed. Only who holds the folder's lock may."""
    for path in plan.folder.glob(f".{_prefix(identity)}{_TIME}.backup.partial"):
        path.unlink(missing_ok=True)


def _prefix(identity: str) -> str:
    return f"digest-{identity[:_IDENTITY_CHARS]}-"


@contextmanager
def lock_folder(plan: BackupPlan) -> Iterator[bool]:
    """Whether this process alone makes backups there, until the block ends. Raises NotAllowed for a bad folder."""
    try:
        plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (plan.folder / ".lock").open("a")
    except OSError as error:
        raise NotAllowed(f"backups cannot be written to {plan.folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        except (
            OSError
        ) as error:  # some network file systems: without an error nobody would notice that none is made
            raise NotAllowed(f"{plan.folder} cannot be locked, as backups need: {error.strerror}") from None
        else:
            yield True

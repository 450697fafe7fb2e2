"""A provider's log settles a restored issue only when nobody can have been sent it outside of the log's time."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.delivery.factories import BASE, KEYS, address, frozen, tally

from digest.db import Database
from digest.delivery.release import restored, settling
from digest.delivery.release.log_report import ShortLog
from digest.delivery.release.settling import Log, Settler
from digest.signing import Signer

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
BACKUP = NOW - timedelta(hours=3)
MINUTES = timedelta(minutes=1)


def lines(*times: datetime | str) -> Log:
    return nullcontext([f"{time} to=<{address(n)}>, status=sent" for n, time in enumerate(times, 1)])


@pytest.fixture
def issue_id(sqlite: Database) -> int:
    number = frozen(sqlite, readers=9)
    with sqlite.begin() as session:
        restored.hold(session, "it was restored", known_until=BACKUP, now=NOW - MINUTES)
    return number


def settle(db: Database, issue_id: int, log: Log, **said: Any) -> str:
    given: dict[str, Any] = {"clock": lambda: NOW, "by": "me", "source": "cli", "record": lambda *_: None}
    return settling.settle_logged(Settler(db, Signer(KEYS), BASE, 1, **given), issue_id, log, **said)


@pytest.mark.parametrize(
    ("log", "reach"),
    [
        (
            lines(BACKUP - MINUTES, BACKUP + 9 * MINUTES),
            "from 2026-11-29 08:59:00 to 2026-11-29 09:09:00 UTC",
        ),
        (lines(BACKUP + MINUTES, NOW), "from 2026-11-29 09:01:00 to 2026-11-29 12:00:00 UTC"),
        (lines("Nov 29 08:00:00", "Nov 29 11:59:00"), "does not say from when to when it reaches"),
        (lines("", ""), "does not say from when to when it reaches"),
    ],
    ids=["cut off", "begins too late", "any time zone", "no times"],
)
def test_a_log_that_may_be_cut_off_is_refused_until_a_person_says_that_it_is_complete(
    sqlite: Database, issue_id: int, log: Log, reach: str
) -> None:
    with pytest.raises(ShortLog, match=r"from the backup \(2026-11-29 09:00:00 UTC\) until now") as refused:
        settle(sqlite, issue_id, log)
    assert reach in str(refused.value)
    assert tally(sqlite, issue_id).remaining == 9
    done = settle(sqlite, issue_id, log, is_complete=True)
    assert "the log names 2 readers; 7 remain." in done
    assert reach in done


def test_a_log_from_before_the_backup_until_now_settles_and_says_how_far_it_reaches(
    sqlite: Database, issue_id: int
) -> None:
    done = settle(sqlite, issue_id, lines(BACKUP - MINUTES, NOW - 14 * MINUTES))
    assert done.endswith(
        "The log reaches for certain only from 2026-11-29 08:59:00 to 2026-11-29 11:46:00 UTC."
    )
    assert tally(sqlite, issue_id).remaining == 7
    with sqlite.begin() as session:  # asked once more: that a person counted them as sent proves no time
        restored.hold(session, "it was restored", known_until=BACKUP, now=NOW)
    with pytest.raises(ShortLog):
        settle(sqlite, issue_id, lines(BACKUP - MINUTES, BACKUP))

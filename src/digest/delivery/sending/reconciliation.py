"""Brings issues up to date with what happened to their deliveries. Two processes may do it at once."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from digest.db import Database, database_now
from digest.delivery.letters import delivery
from digest.delivery.release import batches, canary, completion, refusals
from digest.installation import upgrading


def reconcile_issues(
    db: Database,
    now: datetime,
    run_in_steps: Callable[[Callable[[Session], bool]], object],
    *,
    connections: int,
) -> list[int]:
    """Check refusals and canaries, queue due retries and complete finished issues; return the ids of the latter.

    Commits each part by itself. `run_in_steps` calls a step in one transaction after another until it returns True.
    `connections`: how many all workers together may open to the relay.
    """
    with upgrading.begin(db) as session:
        delivery.mark_abandoned_unknown(session, database_now(session))
        refusals.pause_refused_issues(session, now)
        canary.judge_canaries(session, now)
    run_in_steps(lambda session: not batches.batch_retries(session, now, connections=connections))
    with upgrading.begin(db) as session:
        return completion.finish_issues(session, now)

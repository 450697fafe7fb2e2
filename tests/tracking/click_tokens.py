"""What a reader's browser sends for a tracked link, and what the site does with it."""

from datetime import datetime

from sqlalchemy.orm import Session

from digest.signing import Signer
from digest.tracking import links


def click_token(signer: Signer, issue_id: int, number: int, subscriber_id: int) -> str:
    """The token of one link in one reader's mail."""
    return f"{links.click_minter(signer).mint(issue_id, subscriber_id).decode()}-{number}"


def follow(session: Session, signer: Signer, token: str, *, agent: str, machine: bool, now: datetime) -> str:
    """Count one click and return where it leads."""
    target = links.find(session, signer, token)
    links.record(session, target, agent=agent, machine=machine, now=now)
    return target.url

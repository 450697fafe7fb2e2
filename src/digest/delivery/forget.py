"""Forgetting a person everywhere: the audience empties its row, and here go the letters and the relay's replies.

A relay likes to echo the address in its reply, and a letter's facts hold the network that asked for it.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from digest.audience import erase
from digest.audience.address import normal
from digest.audience.models import Subscriber
from digest.delivery.models import Delivery, Letter
from digest.signing import Signer

_PLAIN = {"synchronize_session": False}


def forget(session: Session, signer: Signer, address: str, now: datetime) -> bool:
    """Forget this address for good, in every room; False when no subscriber had it. It is suppressed either way.

    Raises BadInput when it is no address.
    """
    known = erase.erase(session, signer, address, now)
    _empty_letters(session, func.lower(Letter.address) == normal(address).address.lower(), now)
    sweep(session, now)
    return known


def sweep(session: Session, now: datetime) -> None:
    """Empty what mails and letters still say of erased subscribers; what was under way may have come in later.

    Run it after each purge of the audience.
    """
    erased = select(Subscriber.id).where(Subscriber.erased_at.is_not(None))
    _empty_letters(session, Letter.subscriber_id.in_(erased), now)
    told = and_(Delivery.subscriber_id.in_(erased), Delivery.reply.is_not(None))
    session.execute(update(Delivery).where(told).values(reply=None), execution_options=_PLAIN)


def _empty_letters(session: Session, whose: ColumnElement[bool], now: datetime) -> None:
    """The rows stay, so that old counts add up; one that has not left yet ends here."""
    says = or_(Letter.address.is_not(None), Letter.facts != "{}", Letter.reply.is_not(None))
    ended = {
        "outcome": func.coalesce(Letter.outcome, "excluded"),
        "ended_at": func.coalesce(Letter.ended_at, now),
    }
    session.execute(
        update(Letter).where(whose, says).values(address=None, facts="{}", reply=None, **ended),
        execution_options=_PLAIN,
    )

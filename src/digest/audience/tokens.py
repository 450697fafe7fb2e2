"""The tokens of the reader's own links: confirm, preferences, unsubscribe. Minted and honoured here alone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digest.errors import BadToken
from digest.signing import Purpose, Signer, TokenMinter

CONFIRM_FOR = timedelta(hours=72)


@dataclass(frozen=True)
class SubscriberToken:
    """Whom a token speaks of. Subscriber 0 is nobody: the link came from a test mail."""

    publication_id: int
    subscriber_id: int
    issue_id: int | None = None  # the issue whose mail held the link, for an unsubscribe


def confirm_token(signer: Signer, publication_id: int, subscriber_id: int, now: datetime) -> str:
    """A token that confirms this sign-up for 72 hours from `now`, as often as it is used."""
    return signer.mint(Purpose.CONFIRM, publication_id, subscriber_id, int(now.timestamp()))


def read_confirm(signer: Signer, token: str, now: datetime) -> SubscriberToken:
    """Whose sign-up this is. Raises BadToken when it is forged, garbled or older than 72 hours."""
    publication_id, subscriber_id, issued = _read(signer, Purpose.CONFIRM, token, 3)
    try:
        expired = now >= datetime.fromtimestamp(issued, UTC) + CONFIRM_FOR
    except (OverflowError, ValueError, OSError):
        expired = True
    if expired:
        raise BadToken("this link is older than three days; please sign up again and we will mail a new one")
    return SubscriberToken(publication_id, subscriber_id)


def preferences_token(signer: Signer, publication_id: int, subscriber_id: int) -> str:
    """A token for the reader's own page; it does not expire."""
    return signer.mint(Purpose.PREFERENCES, publication_id, subscriber_id)


def read_preferences(signer: Signer, token: str) -> SubscriberToken:
    """Whose page this is. Raises BadToken."""
    publication_id, subscriber_id = _read(signer, Purpose.PREFERENCES, token, 2)
    return SubscriberToken(publication_id, subscriber_id)


def unsubscribe_token(
    signer: Signer, publication_id: int, subscriber_id: int, issue_id: int | None = None
) -> str:
    """A token for `List-Unsubscribe` (RFC 8058) and the foot of a mail; it never expires."""
    return signer.mint(Purpose.UNSUBSCRIBE, publication_id, subscriber_id, issue_id or 0)


def read_unsubscribe(signer: Signer, token: str) -> SubscriberToken:
    """Who wants to leave what, and by which issue's mail. Raises BadToken."""
    publication_id, subscriber_id, issue_id = _read(signer, Purpose.UNSUBSCRIBE, token, 3)
    return SubscriberToken(publication_id, subscriber_id, issue_id or None)


def unsubscribe_minter(signer: Signer, key_id: str | None = None) -> TokenMinter:
    """For the send loop: mint(publication_id, subscriber_id, issue_id) as bytes, with the named key."""
    return signer.minter(Purpose.UNSUBSCRIBE, key_id)


def preferences_minter(signer: Signer, key_id: str | None = None) -> TokenMinter:
    """For the send loop: mint(publication_id, subscriber_id) as bytes, with the named key."""
    return signer.minter(Purpose.PREFERENCES, key_id)


def _read(signer: Signer, purpose: Purpose, token: str, wanted: int) -> tuple[int, ...]:
    numbers = signer.verify(purpose, token)
    if len(numbers) != wanted:
        raise BadToken("this link is not complete or not one of ours")
    return numbers

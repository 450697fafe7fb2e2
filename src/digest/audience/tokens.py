"""Tokens in readers' links (confirm, preferences, unsubscribe): created and verified only here."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digest.errors import BadToken
from digest.signing import Purpose, Signer, TokenMinter

CONFIRM_FOR = timedelta(hours=72)


@dataclass(frozen=True)
class SubscriberToken:
    """Whom a token is for. Subscriber 0 is nobody: the link comes from a test mail."""

    publication_id: int
    subscriber_id: int
    issue_id: int | None = None  # the issue whose mail held the link, for an unsubscribe


def confirm_token(signer: Signer, publication_id: int, subscriber_id: int, now: datetime) -> str:
    """Create a token that confirms a sign-up; valid for 72 hours from `now`, any number of times."""
    return signer.mint(Purpose.CONFIRM, publication_id, subscriber_id, int(now.timestamp()))


def read_confirm(signer: Signer, token: str, now: datetime) -> SubscriberToken:
    """Verify a confirmation token. Raises BadToken when it is forged, garbled or older than 72 hours."""
    publication_id, subscriber_id, issued = _read(signer, Purpose.CONFIRM, token, 3)
    try:
        expired = now >= datetime.fromtimestamp(issued, UTC) + CONFIRM_FOR
    except (OverflowError, ValueError, OSError):
        expired = True
    if expired:
        raise BadToken(
            "this link is more than three days old; please sign up again and we will send a new one"
        )
    return SubscriberToken(publication_id, subscriber_id)


def preferences_token(signer: Signer, publication_id: int, subscriber_id: int) -> str:
    """Create a token for the reader's preferences page; it never expires."""
    return signer.mint(Purpose.PREFERENCES, publication_id, subscriber_id)


def read_preferences(signer: Signer, token: str) -> SubscriberToken:
    """Verify a preferences token. Raises BadToken."""
    publication_id, subscriber_id = _read(signer, Purpose.PREFERENCES, token, 2)
    return SubscriberToken(publication_id, subscriber_id)


def unsubscribe_token(
    signer: Signer, publication_id: int, subscriber_id: int, issue_id: int | None = None
) -> str:
    """Create a token for `List-Unsubscribe` (RFC 8058) and the footer of a mail; it never expires."""
    return signer.mint(Purpose.UNSUBSCRIBE, publication_id, subscriber_id, issue_id or 0)


def read_unsubscribe(signer: Signer, token: str) -> SubscriberToken:
    """Verify an unsubscribe token; the result also names the issue it was sent with. Raises BadToken."""
    publication_id, subscriber_id, issue_id = _read(signer, Purpose.UNSUBSCRIBE, token, 3)
    return SubscriberToken(publication_id, subscriber_id, issue_id or None)


def unsubscribe_minter(signer: Signer, key_id: str | None = None) -> TokenMinter:
    """Return a fast mint(publication_id, subscriber_id, issue_id) -> bytes for the send loop, with the named key."""
    return signer.minter(Purpose.UNSUBSCRIBE, key_id)


def preferences_minter(signer: Signer, key_id: str | None = None) -> TokenMinter:
    """Return a fast mint(publication_id, subscriber_id) -> bytes for the send loop, with the named key."""
    return signer.minter(Purpose.PREFERENCES, key_id)


def _read(signer: Signer, purpose: Purpose, token: str, wanted: int) -> tuple[int, ...]:
    numbers = signer.verify(purpose, token)
    if len(numbers) != wanted:
        raise BadToken("this link is incomplete or not one of ours")
    return numbers

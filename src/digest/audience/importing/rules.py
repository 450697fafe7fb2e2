"""The import rule: what a row of a file does to what is stored.

An opt-out in the file wins over the file, a later file corrects an earlier one, and what a person did here (confirmed,
unsubscribed, complained) is never changed by a file. See docs/adr/0024-the-import-rule.md.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from digest.audience.importing.reading.statuses import OPT_OUTS, ImportStatus
from digest.audience.importing.store import ExistingSubscriber, ImportTerms
from digest.audience.models import SubscriptionStatus
from digest.audience.suppression import SuppressionMatch, SuppressionReason


class ImportAction(Enum):
    """What to do with a row."""

    ADD = auto()
    ACTIVATE = auto()  # pending so far
    REVISE = auto()  # an earlier file said that they unsubscribed
    INVITE = auto()
    ADD_UNSUBSCRIBED = auto()
    UNSUBSCRIBE = auto()
    UNSUBSCRIBE_AGAIN = auto()  # an earlier file said so too: from now on this one does
    SUPPRESS = auto()
    KNOWN = auto()
    KEEP = auto()
    STAYS_UNSUBSCRIBED = auto()
    STAYS_SUPPRESSED = auto()
    NOT_SUBSCRIBED = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a row, and whether a suppression by an earlier file is lifted first."""

    action: ImportAction
    lifts: bool = False


OF_SUPPRESSION: Final[dict[str, ImportStatus]] = {
    SuppressionReason.BOUNCE: ImportStatus.BOUNCED,
    SuppressionReason.COMPLAINT: ImportStatus.COMPLAINED,
}


def decide(
    status: ImportStatus,
    prior: ExistingSubscriber | None,
    suppressed: SuppressionMatch | None,
    terms: ImportTerms,
) -> Decision:
    """Decide from the file's word (`status`), what is stored (`prior`), and how the address is suppressed."""
    if suppressed is not None:
        said_earlier = OF_SUPPRESSION.get(suppressed.reason)
        if not _corrects(status, said_earlier, suppressed.import_id, terms):
            return Decision(_suppressed(status, suppressed, terms))
        return Decision(_unsuppressed(status, prior, terms), lifts=True)
    return Decision(_unsuppressed(status, prior, terms))


def _corrects(
    status: ImportStatus, earlier: ImportStatus | None, earlier_import: int | None, terms: ImportTerms
) -> bool:
    """Whether the row says in so many words that what an earlier file said is wrong."""
    is_from_another_file = earlier_import is not None and earlier_import not in terms.same_file
    return status == ImportStatus.SUBSCRIBED and is_from_another_file and earlier in terms.speaks_of


def _suppressed(status: ImportStatus, suppressed: SuppressionMatch, terms: ImportTerms) -> ImportAction:
    is_worse = status == ImportStatus.COMPLAINED and suppressed.reason != SuppressionReason.COMPLAINT
    is_from_another_file = suppressed.import_id is not None and suppressed.import_id not in terms.same_file
    says_so_too = status == OF_SUPPRESSION.get(suppressed.reason) and is_from_another_file
    return ImportAction.SUPPRESS if is_worse or says_so_too else ImportAction.STAYS_SUPPRESSED


def _unsuppressed(status: ImportStatus, prior: ExistingSubscriber | None, terms: ImportTerms) -> ImportAction:
    current = prior.status if prior else None
    from_file = prior is not None and prior.import_id is not None
    if current == SubscriptionStatus.UNSUBSCRIBED:
        return _unsubscribed(status, prior.import_id if prior else None, terms)
    if status in OPT_OUTS:
        return _opted_out(status, current, from_file)
    if status == ImportStatus.NOT_SUBSCRIBED:
        is_reader_of_another_file = from_file and prior is not None and prior.import_id not in terms.same_file
        is_corrected = is_reader_of_another_file and current == SubscriptionStatus.ACTIVE
        return ImportAction.UNSUBSCRIBE if is_corrected else ImportAction.NOT_SUBSCRIBED
    if current == SubscriptionStatus.PENDING:
        return ImportAction.ACTIVATE if terms.confirmed else ImportAction.INVITE
    return ImportAction.ADD if current is None else ImportAction.KNOWN


def _opted_out(status: ImportStatus, current: str | None, from_file: bool) -> ImportAction:
    is_pending_here = current == SubscriptionStatus.PENDING and not from_file
    if current == SubscriptionStatus.ACTIVE and not from_file:
        return ImportAction.KEEP
    if status != ImportStatus.UNSUBSCRIBED:
        return ImportAction.SUPPRESS
    if is_pending_here:  # they have to confirm anyway
        return ImportAction.KEEP
    return ImportAction.ADD_UNSUBSCRIBED if current is None else ImportAction.UNSUBSCRIBE


def _unsubscribed(status: ImportStatus, earlier_import: int | None, terms: ImportTerms) -> ImportAction:
    if _corrects(status, ImportStatus.UNSUBSCRIBED, earlier_import, terms):
        return ImportAction.REVISE
    if status in OPT_OUTS and earlier_import is not None:
        if status != ImportStatus.UNSUBSCRIBED:
            return ImportAction.SUPPRESS
        if earlier_import not in terms.same_file:
            return ImportAction.UNSUBSCRIBE_AGAIN
    return ImportAction.STAYS_UNSUBSCRIBED

"""Import rules: every valid row of a CSV file is added, except readers who unsubscribed, complained or were erased.

The caller passes each chunk to `import_chunk` in its own transaction. An interrupted import can simply be repeated:
rows already imported change nothing.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto

from sqlalchemy.orm import Session

from digest.audience import bulk_import, signup, suppression
from digest.audience.bulk_import import ExistingSubscriber, ImportTerms
from digest.audience.csv_columns import ImportStatus
from digest.audience.csv_file import InvalidRow, RowChunk, ValidRow
from digest.audience.models import SubscriptionStatus
from digest.signing import Signer


@dataclass
class ImportResult:
    """The number of rows by result: rows = added + known + left + suppressed + not_subscribed + repeated + bad."""

    rows: int = 0
    added: int = 0  # as active with --confirmed, else as pending
    known: int = 0
    left: int = 0
    suppressed: int = 0
    not_subscribed: int = 0
    repeated: int = 0
    bad: int = 0
    bad_rows: list[InvalidRow] = field(default_factory=list)
    invited: list[int] = field(default_factory=list)  # ids of subscribers to send a confirmation letter

    def add(self, other: "ImportResult") -> None:
        """Add the result of another chunk."""
        for name in ("rows", "added", "known", "left", "suppressed", "not_subscribed", "repeated", "bad"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.bad_rows += other.bad_rows
        self.invited += other.invited


class ImportAction(Enum):
    """What to do with a row."""

    ADD = auto()
    ACTIVATE = auto()
    INVITE = auto()
    ADD_UNSUBSCRIBED = auto()
    UNSUBSCRIBE = auto()
    SUPPRESS = auto()
    KNOWN = auto()
    STAYS_UNSUBSCRIBED = auto()
    STAYS_SUPPRESSED = auto()
    UNCLEAR = auto()


COUNTED = {
    ImportAction.ADD: "added",
    ImportAction.ACTIVATE: "added",
    ImportAction.INVITE: "known",
    ImportAction.ADD_UNSUBSCRIBED: "left",
    ImportAction.UNSUBSCRIBE: "left",
    ImportAction.SUPPRESS: "suppressed",
    ImportAction.KNOWN: "known",
    ImportAction.STAYS_UNSUBSCRIBED: "left",
    ImportAction.STAYS_SUPPRESSED: "suppressed",
    ImportAction.UNCLEAR: "not_subscribed",
}


def import_chunk(session: Session, signer: Signer, chunk: RowChunk, terms: ImportTerms) -> ImportResult:
    """Import one chunk; idempotent.

    Readers who unsubscribed or are suppressed stay so. A file can unsubscribe imported readers, but never those who
    confirmed here. Without `terms.confirmed` new subscribers are pending, and get a confirmation letter only with
    `terms.invite`.
    """
    prior = bulk_import.fetch_existing(session, terms.publication_id, chunk.rows)
    hashed = suppression.find(session, signer, chunk.rows.keys() - prior.keys())
    rows_by_action: dict[ImportAction, list[ValidRow]] = {action: [] for action in ImportAction}
    for key, row in chunk.rows.items():
        forgotten = hashed[key].reason if key in hashed else None
        rows_by_action[decide(row.status, prior.get(key), forgotten, terms)].append(row)
    _write(session, signer, rows_by_action, prior, terms)
    counts = Counter({COUNTED[action]: 0 for action in ImportAction})
    for action, rows in rows_by_action.items():
        counts[COUNTED[action]] += len(rows)
    return ImportResult(
        rows=chunk.read,
        repeated=chunk.repeated,
        bad=len(chunk.bad),
        bad_rows=list(chunk.bad),
        invited=_invited(session, rows_by_action, terms) if terms.invite and not terms.confirmed else [],
        **counts,
    )


def decide(
    status: ImportStatus, prior: ExistingSubscriber | None, forgotten: str | None, terms: ImportTerms
) -> ImportAction:
    """Decide what to do with a row, from the file and what is stored. `forgotten`: why its hash is suppressed."""
    barred = forgotten or (prior and prior.suppressed_for)
    own = prior is not None and prior.has_confirmed
    if status == ImportStatus.COMPLAINED and barred != suppression.SuppressionReason.COMPLAINT:
        return ImportAction.SUPPRESS
    if barred:
        return ImportAction.STAYS_SUPPRESSED
    if status == ImportStatus.BOUNCED:
        return ImportAction.KNOWN if own else ImportAction.SUPPRESS
    if status == ImportStatus.UNCLEAR:
        return ImportAction.UNCLEAR
    return _choice(status, prior.status if prior else None, own, terms)


def _choice(imported: ImportStatus, current: str | None, own: bool, terms: ImportTerms) -> ImportAction:
    if current == SubscriptionStatus.UNSUBSCRIBED:
        return ImportAction.STAYS_UNSUBSCRIBED
    if imported == ImportStatus.UNSUBSCRIBED:
        return (
            ImportAction.ADD_UNSUBSCRIBED
            if current is None
            else ImportAction.KNOWN
            if own
            else ImportAction.UNSUBSCRIBE
        )
    if current == SubscriptionStatus.PENDING:
        return ImportAction.ACTIVATE if terms.confirmed else ImportAction.INVITE
    return ImportAction.ADD if current is None else ImportAction.KNOWN


def _write(
    session: Session,
    signer: Signer,
    rows_by_action: dict[ImportAction, list[ValidRow]],
    prior: dict[str, ExistingSubscriber],
    terms: ImportTerms,
) -> None:
    complaints = [
        row.key for row in rows_by_action[ImportAction.SUPPRESS] if row.status == ImportStatus.COMPLAINED
    ]
    bounces = [row.key for row in rows_by_action[ImportAction.SUPPRESS] if row.status == ImportStatus.BOUNCED]
    suppression.suppress_keys(
        session, signer, complaints, suppression.SuppressionReason.COMPLAINT, terms.now, source=terms.source
    )
    suppression.suppress_keys(
        session, signer, bounces, suppression.SuppressionReason.BOUNCE, terms.now, source=terms.source
    )
    status = SubscriptionStatus.ACTIVE if terms.confirmed else SubscriptionStatus.PENDING
    bulk_import.insert_subscribers(session, rows_by_action[ImportAction.ADD], status, terms)
    bulk_import.insert_subscribers(
        session, rows_by_action[ImportAction.ADD_UNSUBSCRIBED], SubscriptionStatus.UNSUBSCRIBED, terms
    )
    bulk_import.update_statuses(
        session, _ids(rows_by_action[ImportAction.ACTIVATE], prior), SubscriptionStatus.ACTIVE, terms
    )
    bulk_import.update_statuses(
        session, _ids(rows_by_action[ImportAction.UNSUBSCRIBE], prior), SubscriptionStatus.UNSUBSCRIBED, terms
    )


def _ids(rows: list[ValidRow], prior: dict[str, ExistingSubscriber]) -> list[int]:
    return [prior[row.key].subscriber_id for row in rows]


def _invited(
    session: Session, rows_by_action: dict[ImportAction, list[ValidRow]], terms: ImportTerms
) -> list[int]:
    """Return the ids of pending subscribers who are due a letter, within the limits that also apply to the form."""
    keys = [row.key for action in (ImportAction.ADD, ImportAction.INVITE) for row in rows_by_action[action]]
    ids = [
        prior.subscriber_id
        for prior in bulk_import.fetch_existing(session, terms.publication_id, keys).values()
    ]
    return sorted(signup.claim_letters(session, ids, terms.publication_id, terms.now))

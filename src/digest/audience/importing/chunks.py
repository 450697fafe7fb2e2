"""Importing a file chunk by chunk, each in the caller's transaction; an interrupted import can simply be repeated."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy.orm import Session

from digest.audience import signup, suppression
from digest.audience.importing import store
from digest.audience.importing.reading.statuses import ImportStatus
from digest.audience.importing.results import ImportResult, RejectedRow
from digest.audience.importing.rows import RowChunk, ValidRow
from digest.audience.importing.rules import Decision, ImportAction, decide
from digest.audience.importing.store import ExistingSubscriber, ImportTerms
from digest.audience.importing.tag_topics import choose_topics, topics_of
from digest.audience.models import SubscriptionStatus
from digest.audience.suppression import SuppressionReason
from digest.signing import Signer

Decided = dict[ImportAction, list[ValidRow]]
Prior = dict[str, ExistingSubscriber]

COUNTED: Final = {
    ImportAction.ADD: "added",
    ImportAction.ACTIVATE: "added",
    ImportAction.REVISE: "revised",
    ImportAction.INVITE: "known",
    ImportAction.ADD_UNSUBSCRIBED: "unsubscribed",
    ImportAction.UNSUBSCRIBE: "unsubscribed",
    ImportAction.UNSUBSCRIBE_AGAIN: "unsubscribed",
    ImportAction.SUPPRESS: "suppressed",
    ImportAction.KNOWN: "known",
    ImportAction.KEEP: "kept",
    ImportAction.STAYS_UNSUBSCRIBED: "unsubscribed",
    ImportAction.STAYS_SUPPRESSED: "suppressed",
    ImportAction.NOT_SUBSCRIBED: "not_subscribed",
}
REASONS: Final = {
    ImportAction.KEEP: "they signed up here themselves, so the file's word does not count",
    ImportAction.STAYS_UNSUBSCRIBED: "unsubscribed",
    ImportAction.STAYS_SUPPRESSED: "suppressed: they complained, bounced or were erased",
    ImportAction.UNSUBSCRIBE: "unsubscribed by this file",
}
REJECTED: Final = {"kept", "unsubscribed", "suppressed", "not_subscribed"}


class Plan:
    """What a chunk does, decided from what is stored and not written yet."""

    def __init__(
        self, session: Session, signer: Signer, chunk: RowChunk, terms: ImportTerms, seen: Prior | None = None
    ) -> None:
        """`seen` is what earlier chunks would have stored, in a dry run; it takes precedence."""
        self.chunk, self.terms = chunk, terms
        self.prior = store.fetch_existing(session, terms.publication_id, chunk.rows) | {
            key: seen[key] for key in chunk.rows if seen and key in seen
        }
        self.suppressed = suppression.find(session, signer, chunk.rows.keys() - self.prior.keys())
        self.suppressed |= {key: known.suppression for key, known in self.prior.items() if known.suppression}
        self.rows: Decided = {action: [] for action in ImportAction}
        self.lifts: list[ValidRow] = []
        for key, row in chunk.rows.items():
            decision = decide(row.status, self.prior.get(key), self.suppressed.get(key), terms)
            self._add(row, decision)

    def _add(self, row: ValidRow, decision: Decision) -> None:
        self.rows[decision.action].append(row)
        if decision.lifts:
            self.lifts.append(row)

    def result(self) -> ImportResult:
        """Return the counts and the rejected rows."""
        chunk = self.chunk
        done = ImportResult(rows=chunk.read, repeated=len(chunk.repeated), bad=len(chunk.bad))
        for action, rows in self.rows.items():
            name = COUNTED[action]
            setattr(done, name, getattr(done, name) + len(rows))
            if name in REJECTED:
                done.rejected += [
                    RejectedRow(row.line, row.address, name, _reason(action, row)) for row in rows
                ]
        lifted = {row.key for row in self.lifts}
        revived = [row for row in self.rows[ImportAction.ADD] if row.key in lifted]
        done.added, done.revised = done.added - len(revived), done.revised + len(revived)
        for row in self.rows[ImportAction.ADD]:
            done.topics.update(topics_of(row, self.terms.tag_topics))
        done.rejected += [RejectedRow(bad.line, bad.text, "bad", bad.reason) for bad in chunk.bad]
        done.rejected += [RejectedRow(row.line, row.text, "repeated", row.reason) for row in chunk.repeated]
        done.rejected.sort(key=lambda row: row.line)
        return done


def import_chunk(session: Session, signer: Signer, chunk: RowChunk, terms: ImportTerms) -> ImportResult:
    """Import one chunk; idempotent.

    Without `terms.confirmed` new subscribers are pending, and get a confirmation letter only with `terms.invite`.
    """
    plan = Plan(session, signer, chunk, terms)
    _write(session, signer, plan)
    done = plan.result()
    if terms.invite and not terms.confirmed:
        done.invited = _invited(session, plan)
    return done


def _write(session: Session, signer: Signer, plan: Plan) -> None:
    terms, rows = plan.terms, plan.rows
    _suppress(session, signer, rows[ImportAction.SUPPRESS], terms)
    hashes = [plan.suppressed[row.key].hash for row in plan.lifts]
    suppression.lift_imported(session, hashes, terms.import_id, terms.source, terms.now)
    joined = SubscriptionStatus.ACTIVE if terms.confirmed else SubscriptionStatus.PENDING
    gone = SubscriptionStatus.UNSUBSCRIBED
    for reason, added in _by_suppression(plan).items():
        store.insert_subscribers(session, added, joined, terms, suppressed_for=reason)
    choose_topics(session, rows[ImportAction.ADD], terms.tag_topics, terms.publication_id)
    store.insert_subscribers(session, rows[ImportAction.ADD_UNSUBSCRIBED], gone, terms)
    changes = (
        (ImportAction.ACTIVATE, SubscriptionStatus.ACTIVE),
        (ImportAction.REVISE, joined),
        (ImportAction.UNSUBSCRIBE, gone),
        (ImportAction.UNSUBSCRIBE_AGAIN, gone),
    )
    for action, status in changes:
        for previous, changed in _by_status(rows[action], plan.prior).items():
            store.update_statuses(session, changed, previous, status, terms)


def _suppress(session: Session, signer: Signer, rows: Sequence[ValidRow], terms: ImportTerms) -> None:
    reasons = {
        ImportStatus.COMPLAINED: SuppressionReason.COMPLAINT,
        ImportStatus.BOUNCED: SuppressionReason.BOUNCE,
    }
    for status, reason in reasons.items():
        keys = [row.key for row in rows if row.status == status]
        suppression.suppress_keys(
            session, signer, keys, reason, terms.now, source=terms.source, import_id=terms.import_id
        )


def _by_suppression(plan: Plan) -> dict[str | None, list[ValidRow]]:
    """The rows to add, by why an earlier file had them suppressed."""
    lifted = {row.key for row in plan.lifts}
    found: dict[str | None, list[ValidRow]] = {}
    for row in plan.rows[ImportAction.ADD]:
        reason = plan.suppressed[row.key].reason if row.key in lifted else None
        found.setdefault(reason, []).append(row)
    return found


def _by_status(
    rows: Sequence[ValidRow], prior: Mapping[str, ExistingSubscriber]
) -> dict[SubscriptionStatus, list[tuple[int, ValidRow]]]:
    found: dict[SubscriptionStatus, list[tuple[int, ValidRow]]] = {}
    for row in rows:
        known = prior[row.key]
        found.setdefault(SubscriptionStatus(known.status or ""), []).append((known.subscriber_id, row))
    return found


def _invited(session: Session, plan: Plan) -> list[int]:
    """Return the ids of pending subscribers who are due a letter, within the limits that also apply to the form."""
    actions = (ImportAction.ADD, ImportAction.INVITE, ImportAction.REVISE)
    keys = [row.key for action in actions for row in plan.rows[action]]
    publication_id = plan.terms.publication_id
    ids = [known.subscriber_id for known in store.fetch_existing(session, publication_id, keys).values()]
    return sorted(signup.claim_letters(session, ids, publication_id, plan.terms.now))


def _reason(action: ImportAction, row: ValidRow) -> str:
    told = REASONS.get(action, "")
    return f"{told} ({row.because})" if told and row.because else told or row.because

"""Saying what an import would do, without changing anything."""

from dataclasses import replace

from sqlalchemy.orm import Session

from digest.audience import signup
from digest.audience.importing.chunks import Plan
from digest.audience.importing.reading.statuses import ImportStatus
from digest.audience.importing.results import ImportResult
from digest.audience.importing.rows import RowChunk
from digest.audience.importing.rules import ImportAction
from digest.audience.importing.store import ExistingSubscriber, ImportTerms
from digest.audience.models import SubscriptionStatus
from digest.audience.suppression import SuppressionMatch, SuppressionReason
from digest.signing import Signer


class DryRun:
    """Plans chunk after chunk, remembering what the earlier ones would have stored."""

    def __init__(self, signer: Signer, terms: ImportTerms) -> None:
        self._signer, self._terms = signer, terms
        self._seen: dict[str, ExistingSubscriber] = {}
        joined = SubscriptionStatus.ACTIVE if terms.confirmed else SubscriptionStatus.PENDING
        self._in = ExistingSubscriber(0, None, joined.value, terms.import_id)
        self._out = ExistingSubscriber(0, None, SubscriptionStatus.UNSUBSCRIBED.value, terms.import_id)

    def plan(self, session: Session, chunk: RowChunk) -> ImportResult:
        """Return what importing this chunk would do."""
        plan = Plan(session, self._signer, chunk, self._terms, self._seen)
        done = plan.result()
        if self._terms.invite and not self._terms.confirmed:
            done.invited = self._due_letters(session, plan)
        self._remember(plan)
        return done

    def _remember(self, plan: Plan) -> None:
        joining = (ImportAction.ADD, ImportAction.ACTIVATE, ImportAction.REVISE)
        leaving = (ImportAction.ADD_UNSUBSCRIBED, ImportAction.UNSUBSCRIBE, ImportAction.UNSUBSCRIBE_AGAIN)
        for actions, state in ((joining, self._in), (leaving, self._out)):
            self._seen |= {row.key: state for action in actions for row in plan.rows[action]}
        for row in plan.rows[ImportAction.SUPPRESS]:
            is_complaint = row.status == ImportStatus.COMPLAINED
            reason = SuppressionReason.COMPLAINT if is_complaint else SuppressionReason.BOUNCE
            match = SuppressionMatch("", reason, self._terms.now, self._terms.import_id)
            known = plan.prior.get(row.key) or ExistingSubscriber(0, None, None, None)
            self._seen[row.key] = replace(known, suppression=match)

    def _due_letters(self, session: Session, plan: Plan) -> list[int]:
        """Return a number for each reader who would be sent a letter; 0 for those who are new."""
        waiting = [plan.prior[row.key].subscriber_id for row in plan.rows[ImportAction.INVITE]]
        due = signup.due_letters(session, waiting, self._terms.publication_id, self._terms.now)
        return [*due, *(0 for _ in plan.rows[ImportAction.ADD]), *(0 for _ in plan.rows[ImportAction.REVISE])]

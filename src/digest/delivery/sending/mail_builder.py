"""Builds the mails of a claimed batch, each at the last moment or one ahead of it."""

from digest.delivery.ledger.models import Outcome
from digest.delivery.ledger.outcomes import OutcomeRecord, PendingDelivery
from digest.delivery.sending.outcome_recorder import OutcomeRecorder
from digest.delivery.sending.send_context import SendContext
from digest.errors import BadInput
from digest.smtp.mail import Mail


class MailBuilder:
    """Builds mails of one issue and records what keeps one from being built."""

    def __init__(self, context: SendContext, issue_id: int, recorder: OutcomeRecorder) -> None:
        self._context, self._issue_id, self._recorder = context, issue_id, recorder
        self._ahead: tuple[PendingDelivery, Mail] | None = None

    def build(self, row: PendingDelivery) -> Mail | None:
        """The delivery's mail; None when it was excluded meanwhile or cannot be built, which is recorded."""
        return self._prebuilt(row) or self._build_now(row)

    def build_ahead(self, row: PendingDelivery) -> None:
        """Build a mail before its turn. It is thrown away if another one turns out to be next."""
        if not is_wanted(row) or self._prebuilt(row):
            return
        try:
            self._ahead = row, self._context.message_factory(self._issue_id).build_pending(row)
        except Exception:  # noqa: BLE001
            return  # it is raised again when the mail's turn comes

    def exclude(self, row: PendingDelivery) -> None:
        """Record that the reader gets no mail any more."""
        self._recorder.records.append(
            OutcomeRecord(row.subscriber_id, Outcome.EXCLUDED, row.reason or "erased", row.reply, 0)
        )

    def _build_now(self, row: PendingDelivery) -> Mail | None:
        if not is_wanted(row):
            self.exclude(row)
            return None
        maker = self._context.message_factory(
            self._issue_id
        )  # an error here concerns the whole issue and fails no delivery
        try:
            return maker.build_pending(row)
        except (BadInput, ValueError) as error:
            self._recorder.records.append(
                OutcomeRecord(row.subscriber_id, Outcome.FAILED, "5.1.3", str(error), 0)
            )
            return None

    def _prebuilt(self, row: PendingDelivery) -> Mail | None:
        return self._ahead[1] if self._ahead is not None and self._ahead[0] is row else None


def is_wanted(row: PendingDelivery | None) -> bool:
    """Whether the delivery is still to be sent."""
    return row is not None and row.reason is None and row.address is not None

"""The settings DIGEST_KEEP_…_DAYS as values. Apart from what deletes, which only workers load."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Retention:
    """How long rows are kept; None: forever. Those of an issue are kept that long after its last email."""

    replies: timedelta | None = None  # what mail servers said, and user agents of clicks
    deliveries: timedelta | None = None  # and their batches; their totals stay
    emails: timedelta | None = None  # the compiled emails of frozen issues; their public pages stay
    clicks: timedelta | None = None  # their totals stay
    letters: timedelta | None = None
    log: timedelta | None = None  # the audit log
    mailbox: timedelta | None = None  # the embedded one

    @classmethod
    def in_days(cls, **days: int) -> "Retention":
        """Each for so many days; 0: forever."""
        return cls(**{name: timedelta(days=many) if many else None for name, many in days.items()})

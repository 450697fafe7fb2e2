"""The last look at an issue: all that was found on it, what was let pass, and whether it may go out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from digest.editorial import editions
from digest.editorial.checks import external_check_results, issue_checks, mail_checks, waivers
from digest.editorial.checks.external_check_queue import MailSetup
from digest.editorial.checks.finding import Finding, Level
from digest.editorial.checks.waivers import ActiveWaiver
from digest.editorial.models import Issue
from digest.errors import BadInput, NotAllowed
from digest.render.compile import Pressed


@dataclass(frozen=True)
class CheckReport:
    """What was found: the bytes of the mail's HTML (None when it cannot be pressed), and the checks that say so."""

    html_bytes: int | None
    findings: tuple[Finding, ...]
    active_waivers: Mapping[tuple[str, str], ActiveWaiver] = field(default_factory=dict)
    external: external_check_results.CheckResults = external_check_results.NO_RESULTS

    @property
    def blocking(self) -> list[Finding]:
        """Those with which the issue may not go out."""
        return issue_checks.select_blocking(self.findings)

    @property
    def waivable(self) -> list[Finding]:
        """Those that a person may let pass, whether anybody did or not."""
        return [check for check in self.findings if check.level == Level.WARNING]

    @property
    def open(self) -> list[Finding]:
        """Those that wait for somebody to mend them or let them pass."""
        return [check for check in self.waivable if self.find_waiver(check) is None]

    @property
    def waived(self) -> list[tuple[Finding, ActiveWaiver]]:
        """Those that somebody let pass."""
        pairs = ((check, self.find_waiver(check)) for check in self.waivable)
        return [(check, waiver) for check, waiver in pairs if waiver is not None]

    @property
    def notes(self) -> list[Finding]:
        """Those that are only worth knowing."""
        return [check for check in self.findings if check.level == Level.NOTE]

    def find_waiver(self, check: Finding) -> ActiveWaiver | None:
        """Who let this very finding pass."""
        return self.active_waivers.get((check.name, check.fingerprint))

    def require_no_blockers(self, issue: Issue) -> None:
        """Raise NotAllowed, saying what blocks and how to mend it, when anything does."""
        if self.blocking:
            words = " ".join(f"{check.text} {check.fix}" for check in self.blocking)
            raise NotAllowed(f"issue {issue.number} cannot go out: {words.removesuffix('.')}")

    def require_resolved(self, issue: Issue) -> None:
        """Raise NotAllowed as `refuse`, and also while a finding is neither mended nor let pass."""
        self.require_no_blockers(issue)
        if self.open:
            words = " ".join(check.text for check in self.open)
            raise NotAllowed(
                f"issue {issue.number} waits for a word of yours: {words} Mend it, or write why it may go out so"
            )

    def select_open(self, fingerprints: Sequence[str]) -> list[Finding]:
        """The open findings that these fingerprints name; what was mended or changed meanwhile is not among them."""
        return [check for check in self.open if check.fingerprint in fingerprints]


def run_checks(
    session: Session,
    issue: Issue,
    *,
    base_url: str,
    pressed: Pressed | Callable[[], Pressed],
    now: datetime | None = None,
    mail_setup: MailSetup | None = None,
) -> CheckReport:
    """Run every check on the issue as it stands.

    `pressed` is the issue, or presses it; when that raises BadInput, the text that cannot be pressed is a check that
    blocks. Without `outside`, what workers saw is not asked: it never blocks. Call it in the transaction that took the
    issue's row: what is checked is then what goes out.
    """
    made, refused = None, []
    try:
        if issue.picks:
            made = pressed if isinstance(pressed, Pressed) else pressed()
    except BadInput as problem:
        text = f"It cannot be made into a mail: {problem}."
        refused = [Finding("press", Level.BLOCKING, text, "Mend that text.", "intro")]
    size = made.html_bytes if made else None
    found = issue_checks.check_issue(session, issue, base_url=base_url, html_bytes=size, now=now)
    inside = mail_checks.check_mail(made, base_url) if made else ()
    out = external_check_results.NO_RESULTS
    if mail_setup is not None:
        out = external_check_results.collect_results(
            session, issue, editions.build_edition(session, issue, base_url), mail_setup
        )
    every = sorted((*refused, *found, *inside, *out.findings), key=lambda check: list(Level).index(check.level))
    return CheckReport(size, tuple(every), waivers.list_active(session, issue.id), out)

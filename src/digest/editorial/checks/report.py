"""The check report of an issue: all findings, the waivers in force, and whether the issue may be sent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from digest.editorial import editions
from digest.editorial.checks import external_check_results, issue_checks, mail_checks, waivers
from digest.editorial.checks.external_check_queue import MailSetup
from digest.editorial.checks.finding import Finding, Level, blocker, select_blocking, sort_by_level
from digest.editorial.checks.waivers import ActiveWaiver
from digest.editorial.models import Issue
from digest.errors import BadInput, NotAllowed
from digest.render.compiled_issue import CompiledIssue


@dataclass(frozen=True)
class CheckReport:
    """All findings on an issue; `html_bytes` is None when the issue cannot be compiled."""

    html_bytes: int | None
    findings: tuple[Finding, ...]
    active_waivers: Mapping[tuple[str, str], ActiveWaiver] = field(default_factory=dict)
    external: external_check_results.CheckResults = external_check_results.NO_RESULTS

    @property
    def blocking(self) -> list[Finding]:
        """The findings that keep the issue from being sent."""
        return select_blocking(self.findings)

    @property
    def waivable(self) -> list[Finding]:
        """The warnings, waived or not."""
        return [finding for finding in self.findings if finding.level == Level.WARNING]

    @property
    def open(self) -> list[Finding]:
        """The warnings that are neither fixed nor waived."""
        return [finding for finding in self.waivable if self.find_waiver(finding) is None]

    @property
    def waived(self) -> list[tuple[Finding, ActiveWaiver]]:
        """The warnings that somebody waived, with the waiver."""
        pairs = ((finding, self.find_waiver(finding)) for finding in self.waivable)
        return [(finding, waiver) for finding, waiver in pairs if waiver is not None]

    @property
    def notes(self) -> list[Finding]:
        """The findings that are for information only."""
        return [finding for finding in self.findings if finding.level == Level.NOTE]

    def find_waiver(self, finding: Finding) -> ActiveWaiver | None:
        """Return the waiver for this finding, or None."""
        return self.active_waivers.get((finding.name, finding.fingerprint))

    def require_no_blockers(self, issue: Issue) -> None:
        """Raise NotAllowed, with what blocks the issue and how to fix it, when anything does."""
        if self.blocking:
            text = " ".join(f"{finding.text} {finding.fix}" for finding in self.blocking)
            raise NotAllowed(f"issue {issue.number} cannot be sent: {text.removesuffix('.')}")

    def require_resolved(self, issue: Issue) -> None:
        """Raise NotAllowed when anything blocks the issue, or while a warning is neither fixed nor waived."""
        self.require_no_blockers(issue)
        if self.open:
            text = " ".join(finding.text for finding in self.open)
            raise NotAllowed(
                f"issue {issue.number} has unresolved warnings: {text} Fix them, or ignore them with a reason"
            )

    def select_open(self, fingerprints: Sequence[str]) -> list[Finding]:
        """Return the open findings with these fingerprints; those fixed or changed in the meantime are left out."""
        return [finding for finding in self.open if finding.fingerprint in fingerprints]


def run_checks(
    session: Session,
    issue: Issue,
    *,
    base_url: str,
    compiled: CompiledIssue | Callable[[], CompiledIssue],
    now: datetime | None = None,
    mail_setup: MailSetup | None = None,
) -> CheckReport:
    """Run every check on the issue as it stands.

    `compiled` is the compiled issue, or compiles it; when that raises BadInput, this becomes a blocking finding.
    Without `mail_setup` the results of external checks, which never block, are left out. Call it in the transaction
    that locked the issue's row: what is checked is then what will be sent.
    """
    mail, failures = _compile(issue, compiled)
    html_bytes = mail.html_bytes if mail else None
    external = external_check_results.NO_RESULTS
    if mail_setup is not None:
        edition = editions.build_edition(session, issue, base_url)
        external = external_check_results.collect_results(session, issue, edition, mail_setup)
    findings = sort_by_level(
        (
            *failures,
            *issue_checks.check_issue(session, issue, base_url=base_url, html_bytes=html_bytes, now=now),
            *(mail_checks.check_mail(mail, base_url) if mail else ()),
            *external.findings,
        )
    )
    return CheckReport(html_bytes, tuple(findings), waivers.list_active(session, issue.id), external)


def _compile(
    issue: Issue, compiled: CompiledIssue | Callable[[], CompiledIssue]
) -> tuple[CompiledIssue | None, list[Finding]]:
    if not issue.picks:
        return None, []
    try:
        return (compiled if isinstance(compiled, CompiledIssue) else compiled()), []
    except BadInput as error:
        text = f"The email cannot be built: {error}."
        return None, [blocker("build", text, "Correct that text.", "intro")]

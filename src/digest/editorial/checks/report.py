"""The last look at an issue: all that was found on it, what was let pass, and whether it may go out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from digest.editorial import editions
from digest.editorial.checks import external_check_results, issue_checks, mail_checks, waivers
from digest.editorial.checks.external_check_queue import Outside
from digest.editorial.checks.finding import Check, Level
from digest.editorial.checks.waivers import Waived
from digest.editorial.models import Issue
from digest.errors import BadInput, NotAllowed
from digest.render.compile import Pressed


@dataclass(frozen=True)
class Findings:
    """What was found: the bytes of the mail's HTML (None when it cannot be pressed), and the checks that say so."""

    size: int | None
    checks: tuple[Check, ...]
    waived: Mapping[tuple[str, str], Waived] = field(default_factory=dict)
    sight: external_check_results.Sight = external_check_results.NOTHING

    @property
    def blocking(self) -> list[Check]:
        """Those with which the issue may not go out."""
        return issue_checks.blocking(self.checks)

    @property
    def waivable(self) -> list[Check]:
        """Those that a person may let pass, whether anybody did or not."""
        return [check for check in self.checks if check.level == Level.WARNING]

    @property
    def open(self) -> list[Check]:
        """Those that wait for somebody to mend them or let them pass."""
        return [check for check in self.waivable if self.waiver(check) is None]

    @property
    def passed(self) -> list[tuple[Check, Waived]]:
        """Those that somebody let pass."""
        pairs = ((check, self.waiver(check)) for check in self.waivable)
        return [(check, waiver) for check, waiver in pairs if waiver is not None]

    @property
    def notes(self) -> list[Check]:
        """Those that are only worth knowing."""
        return [check for check in self.checks if check.level == Level.NOTE]

    def waiver(self, check: Check) -> Waived | None:
        """Who let this very finding pass."""
        return self.waived.get((check.name, check.fingerprint))

    def refuse(self, issue: Issue) -> None:
        """Raise NotAllowed, saying what blocks and how to mend it, when anything does."""
        if self.blocking:
            words = " ".join(f"{check.text} {check.mend}" for check in self.blocking)
            raise NotAllowed(f"issue {issue.number} cannot go out: {words.removesuffix('.')}")

    def refuse_open(self, issue: Issue) -> None:
        """Raise NotAllowed as `refuse`, and also while a finding is neither mended nor let pass."""
        self.refuse(issue)
        if self.open:
            words = " ".join(check.text for check in self.open)
            raise NotAllowed(
                f"issue {issue.number} waits for a word of yours: {words} Mend it, or write why it may go out so"
            )

    def chosen(self, fingerprints: Sequence[str]) -> list[Check]:
        """The open findings that these fingerprints name; what was mended or changed meanwhile is not among them."""
        return [check for check in self.open if check.fingerprint in fingerprints]


def look_over(
    session: Session,
    issue: Issue,
    *,
    base_url: str,
    pressed: Pressed | Callable[[], Pressed],
    now: datetime | None = None,
    outside: Outside | None = None,
) -> Findings:
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
        refused = [Check("press", Level.BLOCKING, text, "Mend that text.", "intro")]
    size = made.html_bytes if made else None
    found = issue_checks.run(session, issue, base_url=base_url, html_bytes=size, now=now)
    inside = mail_checks.run(made, base_url) if made else ()
    out = external_check_results.NOTHING
    if outside is not None:
        out = external_check_results.sight(
            session, issue, editions.edition(session, issue, base_url), outside
        )
    every = sorted((*refused, *found, *inside, *out.checks), key=lambda check: list(Level).index(check.level))
    return Findings(size, tuple(every), waivers.holding(session, issue.id), out)

"""The last look at an issue: all that was found on it, the size of its mail, and whether it may go out."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from digest.editorial import checks
from digest.editorial.checks import Check, Level
from digest.editorial.models import Issue
from digest.errors import BadInput, NotAllowed


@dataclass(frozen=True)
class Findings:
    """What was found: the bytes of the mail's HTML (None when it cannot be pressed), and the checks that say so."""

    size: int | None
    checks: tuple[Check, ...]

    @property
    def blocking(self) -> list[Check]:
        """Those with which the issue may not go out."""
        return checks.blocking(self.checks)

    @property
    def waivable(self) -> list[Check]:
        """Those that a person may let pass."""
        return [check for check in self.checks if check.level != Level.BLOCKING]

    def refuse(self, issue: Issue) -> None:
        """Raise NotAllowed, saying what blocks and how to mend it, when anything does."""
        if self.blocking:
            words = " ".join(f"{check.text} {check.mend}" for check in self.blocking)
            raise NotAllowed(f"issue {issue.number} cannot go out: {words.removesuffix('.')}")


def look_over(session: Session, issue: Issue, *, base_url: str, size: int | Callable[[], int]) -> Findings:
    """Run every check on the issue as it stands.

    `size` is the bytes of the largest variant's HTML, or presses the issue to tell; when that raises BadInput, the text
    that cannot be pressed is a check that blocks. Call it in the transaction that took the issue's row: what is
    checked is then what goes out.
    """
    bytes_, refused = None, []
    try:
        if issue.picks:
            bytes_ = size if isinstance(size, int) else size()
    except BadInput as problem:
        text = f"It cannot be made into a mail: {problem}."
        refused = [Check("press", Level.BLOCKING, text, "Mend that text.")]
    found = checks.run(session, issue, base_url=base_url, html_bytes=bytes_)
    return Findings(bytes_, (*refused, *found))

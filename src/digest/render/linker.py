"""The links of an issue: each gets a number, and the mail shows a slot for the reader's token in its place."""

from dataclasses import dataclass

from digest.render.clean import single_line
from digest.render.slots import Slots


@dataclass(frozen=True)
class LinkTarget:
    """Where link `number` of an issue leads. The mail holds the number, inside a token; the URL stays with us."""

    number: int  # from 1
    pick_id: int | None  # None: it stands in the intro
    url: str
    label: str


class Linker:
    """Numbers the links in the order in which the mail first shows them; the same place twice is one link."""

    def __init__(self, base_url: str, slots: Slots, *, direct: bool) -> None:
        """`direct` links lead straight to their targets and are not numbered: for test mails."""
        self._base, self._slots, self._direct = base_url, slots, direct
        self._targets: dict[tuple[int | None, str], LinkTarget] = {}

    @property
    def targets(self) -> tuple[LinkTarget, ...]:
        return tuple(self._targets.values())

    def link(self, url: str, pick_id: int | None, label: str) -> str:
        """The URL that the mail shows for `url`."""
        if self._direct:
            return url
        key = (pick_id, url)
        if key not in self._targets:
            self._targets[key] = LinkTarget(len(self._targets) + 1, pick_id, url, single_line(label)[:200])
        return f"{self._base}/go/{self._slots.click(self._targets[key].number)}"

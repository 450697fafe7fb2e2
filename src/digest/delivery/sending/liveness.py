"""Who shows no sign of life. Told by our own clock alone: those of two machines may be minutes apart, or be set."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Sign = TypeVar("Sign", bound=Hashable)


class Watch(Generic[Sign]):
    """What was seen in the database, and for how long it has stayed the same. A new process watches anew."""

    def __init__(self, patience: float) -> None:
        """`patience`: the seconds without a change after which somebody counts as gone."""
        self.patience = patience
        self._seen: dict[Sign, tuple[float, float]] = {}  # sign -> seconds unchanged, last looked at

    def silent(self, signs: Iterable[Sign], at: float) -> set[Sign]:
        """Those of `signs` that have stayed the same for long. `signs` are all there are now; others are forgotten.

        A sign of life differs from every earlier one of the same holder. `at`: seconds on a clock that nobody sets,
        taken after the signs were read. The time between two looks counts for half of the patience at most: a
        database that nobody could reach kept the living from showing themselves, too.
        """
        before, most = self._seen, self.patience / 2
        seen = dict.fromkeys(signs, (0.0, at))
        for sign in seen.keys() & before.keys():
            seconds, looked_at = before[sign]
            seen[sign] = (seconds + min(at - looked_at, most), at)
        self._seen = seen  # at once: two threads may look at the same time, and the later one is right, too
        return {sign for sign, (seconds, _) in seen.items() if seconds >= self.patience}

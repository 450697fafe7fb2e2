"""What a file says about the original consent: when, from which network and where it was given; and the tags."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from digest.audience.consent import coarsen_network
from digest.audience.importing.reading.layout import Layout
from digest.audience.importing.reading.statuses import Role
from digest.audience.importing.reading.vocabulary import ANSWER_OF

MAX_CHARS: Final = 200
MAX_TAGS: Final = 50
_TAG_SEPARATORS: Final = re.compile(r'[,;|\[\]"\n]+')
_EMPTY_NUMBER: Final = "0"


@dataclass(frozen=True, slots=True)
class OriginalConsent:
    """The original consent of one reader as the file tells it, word for word; the network only as /24 or /48."""

    date: str = ""
    source: str = ""
    network: str | None = None
    tags: tuple[str, ...] = ()

    def to_json(self) -> str | None:
        """Return date, source and tags as JSON to store; None when there are none."""
        facts = {"date": self.date, "source": self.source, "tags": list(self.tags)}
        told = {name: value for name, value in facts.items() if value}
        return json.dumps(told, ensure_ascii=False) if told else None


@dataclass(frozen=True)
class ProofColumns:
    """The columns that prove consent."""

    dates: tuple[int, ...]
    networks: tuple[int, ...]
    sources: tuple[int, ...]
    tags: tuple[int, ...]

    @classmethod
    def of(cls, layout: Layout) -> Self | None:
        """Return a file's columns of proof, or None when it has none."""
        confirmed = [c.index for c in layout.with_role(Role.CONFIRMED, Role.OPT_IN) if c.is_dated]
        dates = [c.index for c in layout.with_role(Role.CONSENT_DATE)]
        networks, sources, tags = (
            tuple(c.index for c in layout.with_role(role))
            for role in (Role.CONSENT_NETWORK, Role.CONSENT_SOURCE, Role.TAGS)
        )
        found = cls((*confirmed, *dates), networks, sources, tags)
        return found if found.dates or networks or sources or tags else None

    def read(self, cells: Sequence[str]) -> OriginalConsent | None:
        """Return what one row says; None when it says nothing."""
        network = coarsen_network(_first(cells, self.networks))
        tags = (
            tuple(split_tags(" , ".join(cells[n] for n in self.tags if n < len(cells)))) if self.tags else ()
        )
        found = OriginalConsent(_first(cells, self.dates), _first(cells, self.sources), network, tags)
        return found if found.date or found.source or network or tags else None


def split_tags(text: str) -> list[str]:
    """Return the tags of a cell, as "a, b" or '["a", "b"]', without repetition."""
    tags = dict.fromkeys(tag.strip()[:MAX_CHARS] for tag in _TAG_SEPARATORS.split(text))
    return [tag for tag in tags if tag][:MAX_TAGS]


def _first(cells: Sequence[str], positions: Sequence[int]) -> str:
    texts = (cells[n].strip() for n in positions if n < len(cells))
    return next(
        (text[:MAX_CHARS] for text in texts if text.casefold() not in ANSWER_OF and text != _EMPTY_NUMBER), ""
    )

"""Whose DMARC record speaks for a sender: up the tree of names, without a list of public suffixes (RFC 9989, 4.10)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_LABELS: Final = 8  # a longer name is asked itself, and then from its last seven labels on
_NEXT: Final = 7


@dataclass(frozen=True)
class DmarcRecord:
    """The record that holds: the domain it stands at, whether that is the sender's own, and its tags."""

    domain: str
    is_own: bool
    tags: Mapping[str, str]


def find_policy(domain: str, lookup: Callable[[str], Sequence[str]]) -> DmarcRecord | None:
    """The DMARC record for mail from `domain`; None when there is none. Raises what `ask` raises."""
    seen: list[tuple[str, Mapping[str, str]]] = []
    for name in _names(domain.rstrip(".").lower()):
        record = _record(lookup(f"_dmarc.{name}"))
        if record is None:
            continue
        seen.append((name, record))
        if record.get("psd", "").lower() in {"y", "n"}:
            break
    if not seen:
        return None
    if seen[0][0] == domain.rstrip(".").lower():
        return DmarcRecord(seen[0][0], is_own=True, tags=seen[0][1])
    name, record = _organization(seen)
    return DmarcRecord(name, is_own=False, tags=record)


def parse_tags(text: str) -> dict[str, str]:
    """`name=value` pairs of a record; what is none is left out, and of two with one name the first holds."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, is_pair, value = part.partition("=")
        if is_pair:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def _names(domain: str) -> list[str]:
    labels = domain.split(".")
    above = labels[-_NEXT:] if len(labels) >= MAX_LABELS else labels[1:]
    return [domain, *(".".join(above[start:]) for start in range(len(above)))]


def _record(texts: Sequence[str]) -> Mapping[str, str] | None:
    """The one valid record at a name; several are as good as none."""
    found = [parse_tags(text) for text in texts if text.replace(" ", "").startswith("v=DMARC1")]
    return found[0] if len(found) == 1 else None


def _organization(seen: list[tuple[str, Mapping[str, str]]]) -> tuple[str, Mapping[str, str]]:
    """Of the records above the sender: the highest, unless that is a public suffix's and the name below has one."""
    name, record = seen[-1]
    if record.get("psd", "").lower() == "y" and len(seen) > 1:
        below = seen[-2]
        return below if below[0].count(".") == name.count(".") + 1 else seen[-1]
    return seen[-1]

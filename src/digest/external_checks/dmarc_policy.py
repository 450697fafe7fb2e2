"""Finds the DMARC record that applies to a sender by walking up the DNS tree (RFC 9989, 4.10)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_LABELS: Final = 8  # for a longer name, the walk continues from its last seven labels
_LABELS_AFTER_SKIP: Final = 7

_NamedRecord = tuple[str, Mapping[str, str]]


@dataclass(frozen=True)
class DmarcRecord:
    """The record that applies: its domain, whether that is the sender's own domain, and the record's tags."""

    domain: str
    is_own: bool
    tags: Mapping[str, str]


def find_policy(domain: str, lookup: Callable[[str], Sequence[str]]) -> DmarcRecord | None:
    """Return the DMARC record for mail from `domain`, or None. Raises whatever `lookup` raises."""
    sender = domain.rstrip(".").lower()
    records = _collect_records(sender, lookup)
    if not records:
        return None
    first_name, first_tags = records[0]
    if first_name == sender:
        return DmarcRecord(first_name, is_own=True, tags=first_tags)
    name, tags = _organizational_record(records)
    return DmarcRecord(name, is_own=False, tags=tags)


def parse_tags(text: str) -> dict[str, str]:
    """Return the `name=value` pairs of a record; parts without "=" are ignored, and the first of a name wins."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, separator, value = part.partition("=")
        if separator:
            tags.setdefault(name.strip().lower(), value.strip())
    return tags


def _collect_records(sender: str, lookup: Callable[[str], Sequence[str]]) -> list[_NamedRecord]:
    records: list[_NamedRecord] = []
    for name in _names_to_query(sender):
        record = _parse_record(lookup(f"_dmarc.{name}"))
        if record is None:
            continue
        records.append((name, record))
        if record.get("psd", "").lower() in {"y", "n"}:
            break
    return records


def _names_to_query(domain: str) -> list[str]:
    labels = domain.split(".")
    parents = labels[-_LABELS_AFTER_SKIP:] if len(labels) >= MAX_LABELS else labels[1:]
    return [domain, *(".".join(parents[start:]) for start in range(len(parents)))]


def _parse_record(texts: Sequence[str]) -> Mapping[str, str] | None:
    """The one DMARC record among these texts; several count as none."""
    records = [parse_tags(text) for text in texts if text.replace(" ", "").startswith("v=DMARC1")]
    return records[0] if len(records) == 1 else None


def _organizational_record(records: list[_NamedRecord]) -> _NamedRecord:
    """The highest record, unless it is a public suffix's and the name directly below it has one."""
    name, tags = records[-1]
    if tags.get("psd", "").lower() == "y" and len(records) > 1:
        below = records[-2]
        return below if below[0].count(".") == name.count(".") + 1 else records[-1]
    return records[-1]

"""Recipients of a delivery status notification (RFC 3464), as loosely as mail systems write them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

from digest.bounces.addresses import typed_address
from digest.bounces.diagnosis import find_status
from digest.bounces.message import all_fields, clean

MAX_REST: Final = 4_000  # characters of a block behind a line that is no field
MAX_RECIPIENTS: Final = 1_000  # of one message
_TYPE: Final = re.compile(r"^[a-z][\w-]{0,30};", re.IGNORECASE)
_ANSWER: Final = re.compile(r"(?<![\d.])5\d\d(?=[ -])")
_FIELD: Final = re.compile(r"^([A-Za-z][A-Za-z-]{3,40}):\s*(.*)$")
_STARTS: Final = frozenset({"original-recipient", "final-recipient"})


@dataclass(slots=True)
class RecipientFields:
    """The fields about one recipient; the first of a name counts."""

    fields: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str | None:
        """The address that was emailed: Original-Recipient, where it is given."""
        return self._address("original-recipient") or self.final_address

    @property
    def final_address(self) -> str | None:
        """The address at which delivery failed, which differs after forwarding."""
        return self._address("final-recipient") or self._address("x-actual-recipient")

    @property
    def status(self) -> str | None:
        """The enhanced status code."""
        return find_status(self.fields.get("status", ""))

    @property
    def action(self) -> str:
        """The first word of Action, or what the class of the status says."""
        words = self.fields.get("action", "").lower().replace("-", " ").split()
        by_class = {"2": "delivered", "4": "delayed", "5": "failed"}
        return words[0].rstrip(";,(") if words else by_class.get((self.status or "")[:1], "")

    @property
    def reply_field(self) -> tuple[str, str]:
        """Name and value of the field with the reply of the mail server; some put it beside the status."""
        reply = _TYPE.sub("", self.fields.get("diagnostic-code", "")).strip()
        return ("Diagnostic-Code", reply) if reply else ("Status", self.fields.get("status", ""))

    @property
    def reply(self) -> str:
        """What the mail server answered."""
        return self.reply_field[1]

    @property
    def has_answer(self) -> bool:
        """Whether a mail server answered with a code of its own."""
        return _ANSWER.search(self.reply) is not None

    @property
    def trusted_status(self) -> str | None:
        """The status, unless it may be made up: Sendmail reports any answer 550 as 5.1.1, User unknown."""
        return None if self.status == "5.1.1" and self.has_answer else self.status

    @property
    def host(self) -> str:
        """The mail server that answered."""
        return self.fields.get("remote-mta", "").rpartition(";")[2].strip().split(" ")[0]

    def _address(self, name: str) -> str | None:
        return typed_address(self.fields.get(name, ""))


def read_recipients(blocks: Iterable[Message]) -> list[RecipientFields]:
    """Return the recipients of a report; empty lines may be missing between them, or stand inside one."""
    found: list[RecipientFields] = []
    for starts, name, value in _fields(blocks):
        is_named = bool(found) and not _STARTS.isdisjoint(found[-1].fields)
        is_next = name in _STARTS and (not found or name in found[-1].fields or (starts and is_named))
        if is_next or not found:
            if len(found) == MAX_RECIPIENTS:
                break
            found.append(RecipientFields())
        found[-1].fields.setdefault(name, value)
    return [one for one in found if one.address or one.action]


def _fields(blocks: Iterable[Message]) -> Iterator[tuple[bool, str, str]]:
    """Yield whether a field begins a block, its name and its value."""
    for block in blocks:
        for number, (name, value) in enumerate(_with_broken_lines(block)):
            yield number == 0, name, value


def _with_broken_lines(block: Message) -> list[tuple[str, str]]:
    """Return the fields of a block. Some systems continue a long reply on lines that look like no field."""
    fields = list(all_fields(block))
    rest = block.get_payload()
    for line in rest[:MAX_REST].split("\n") if isinstance(rest, str) else ():
        if found := _FIELD.match(line):
            fields.append((found[1].lower(), clean(found[2])))
        elif fields and line.strip():
            name, value = fields[-1]
            fields[-1] = name, f"{value} {clean(line)}"
    return fields

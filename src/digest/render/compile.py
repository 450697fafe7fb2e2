"""Compiles an edition once into static bytes, already encoded, with slots for what differs between readers."""

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from email.utils import format_datetime
from typing import Any

from digest.errors import BadInput
from digest.render import environment, issue_headers, mjml, quoted_printable
from digest.render.content import Edition, to_json
from digest.render.linker import Linker, LinkTarget
from digest.render.message_template import MessageTemplate
from digest.render.slots import TYPICAL_TOKEN_CHARS, Piece, Slots, slots_for
from digest.render.template_context import build_context

MAGIC = b"digest-pressed-2\n"


@dataclass(frozen=True)
class PartBlocks:
    """One part of the mail in pieces: its head, a block per pick, its foot."""

    head: Piece
    blocks: dict[int, Piece]  # by pick id, in the order of the edition
    foot: Piece

    def in_order(self, order: Sequence[int]) -> list[Piece]:
        return [self.head, *(self.blocks[pick] for pick in order), self.foot]


@dataclass(frozen=True)
class CompiledIssue:
    """An issue after MJML: every mail of it is a join of these bytes."""

    template_version: str
    links: tuple[LinkTarget, ...]
    html_bytes: int  # of the decoded HTML with all blocks and tokens of the usual length: what Gmail clips by
    headers: Piece  # down to the boundary of the text part
    text: PartBlocks
    between: Piece  # from the text part to the HTML part
    html: PartBlocks
    end: Piece

    @property
    def picks(self) -> tuple[int, ...]:
        """The pick ids, in the order of the edition."""
        return tuple(self.html.blocks)

    def message_template(self, order: tuple[int, ...] | None = None) -> MessageTemplate:
        """The mail with these picks in this order; None: all in the editor's order. Raises BadInput for other picks."""
        order = self.picks if order is None else order
        if len(set(order)) != len(order) or not set(order) <= set(self.picks):
            raise BadInput(f"this issue has the picks {self.picks}, each at most once; requested {order}")
        return MessageTemplate(
            [self.headers, *self.text.in_order(order), self.between, *self.html.in_order(order), self.end]
        )

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads: a version line and compressed JSON. The same issue gives the same bytes."""
        fields = {
            "version": self.template_version,
            "links": [[link.number, link.pick_id, link.url, link.label] for link in self.links],
            "html_bytes": self.html_bytes,
            "headers": _plain(self.headers),
            "text": _plain_cuts(self.text),
            "between": _plain(self.between),
            "html": _plain_cuts(self.html),
            "end": _plain(self.end),
        }
        return MAGIC + zlib.compress(json.dumps(fields, separators=(",", ":")).encode(), 9)

    @classmethod
    def from_bytes(cls, data: bytes) -> "CompiledIssue":
        """The issue that `to_bytes` wrote. Raises BadInput when the bytes are something else."""
        if not data.startswith(MAGIC):
            raise BadInput("these bytes are not a compiled issue, or one of another version of digest")
        try:
            return cls._read(json.loads(zlib.decompress(data[len(MAGIC) :])))
        except (zlib.error, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise BadInput("this compiled issue is damaged, and no mail can be made from it") from None

    @classmethod
    def _read(cls, fields: Any) -> "CompiledIssue":
        return cls(
            template_version=fields["version"],
            links=tuple(LinkTarget(*link) for link in fields["links"]),
            html_bytes=fields["html_bytes"],
            headers=_piece(fields["headers"]),
            text=_cuts(fields["text"]),
            between=_piece(fields["between"]),
            html=_cuts(fields["html"]),
            end=_piece(fields["end"]),
        )


def compile_issue(edition: Edition, *, dated: datetime | None = None, test: bool = False) -> CompiledIssue:
    """Compile an edition: the three templates and MJML run once, here and never again.

    `dated` is the mail's Date (noon UTC of the edition's day when None). A `test` mail is marked, and its links lead
    straight to their targets. The same edition gives the same bytes. Raises BadInput when a text is too long or
    nests too deep, or two picks share an id.
    """
    if len({block.pick_id for block in edition.blocks}) != len(edition.blocks):
        raise BadInput("two picks of this edition share an id")
    issue_headers.check_addresses(edition)
    if test:
        edition = replace(edition, subject=f"[Test] {edition.subject}")
    dated = dated or datetime.combine(edition.dated, time(12), UTC)
    slots = slots_for(to_json(edition))
    linker = Linker(edition.base_url, slots, direct=test)
    facts = vars(build_context(edition, slots, linker, test=test))
    picks = [block.pick_id for block in edition.blocks]
    html = mjml.to_html(environment.render_template("issue", "body.mjml", **facts))
    text = environment.render_template("issue", "body.txt", **facts)
    subject = environment.render_template("issue", "subject.txt", **facts)
    boundary = f"={slots.mark}="
    return CompiledIssue(
        template_version=environment.template_version("issue"),
        links=linker.targets,
        html_bytes=_size(html, slots),
        headers=issue_headers.build_headers(
            edition, slots, subject=subject, date=format_datetime(dated), boundary=boundary
        ),
        text=_sliced(text, slots, picks),
        between=issue_headers.html_part_start(boundary),
        html=_sliced(html, slots, picks),
        end=issue_headers.closing_boundary(boundary),
    )


def _sliced(document: str, slots: Slots, picks: Sequence[int]) -> PartBlocks:
    """A document cut at its markers and encoded. A missing marker is a fault of the template."""
    parts, rest = [], document
    names: list[str | int] = ["head", *picks]
    for name in names:
        part, mark, rest = rest.partition(slots.end_marker(name))
        if not mark:
            raise BadInput(f"the issue template has no marker after {name}; each pick must end with one")
        parts.append(quoted_printable.end_line(quoted_printable.encode(slots.split(part))))
    foot = quoted_printable.encode(slots.split(rest.rstrip() + "\n"))
    pieces = [*parts, foot]
    left = slots.mark.encode()
    if any(left in part for piece in pieces for part in piece if isinstance(part, bytes)):
        raise BadInput("the issue template breaks a slot or a marker apart")
    return PartBlocks(parts[0], dict(zip(picks, parts[1:], strict=True)), foot)


def _size(html: str, slots: Slots) -> int:
    html = re.sub(f"<!-- {slots.mark}c[a-z0-9]+ -->", "", html)
    return len(re.sub(slots.mark + "s[0-9]+e", "x" * TYPICAL_TOKEN_CHARS, html).encode())


def _plain(piece: Piece) -> list[str | int]:
    return [part if isinstance(part, int) else part.decode("ascii") for part in piece]


def _piece(parts: list[str | int]) -> Piece:
    return tuple(part if isinstance(part, int) else part.encode("ascii") for part in parts)


def _plain_cuts(cuts: PartBlocks) -> list[object]:
    return [
        _plain(cuts.head),
        [[pick, _plain(piece)] for pick, piece in cuts.blocks.items()],
        _plain(cuts.foot),
    ]


def _cuts(parts: list[list[str | int]]) -> PartBlocks:
    head, blocks, foot = parts
    return PartBlocks(_piece(head), {pick: _piece(piece) for pick, piece in blocks}, _piece(foot))  # type: ignore[arg-type,misc,str-unpack] # JSON has no types

"""An issue after MJML: static bytes, already encoded, from which every mail of it is joined."""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any

from digest.errors import BadInput
from digest.render.linker import LinkTarget
from digest.render.message_template import MessageTemplate
from digest.render.slots import Piece

MAGIC = b"digest-compiled-4\n"
WHOLE = "all"  # the form of a mail with every pick

Part = Mapping[str, Piece]  # a part of the mail in named pieces


@dataclass(frozen=True)
class CompiledIssue:
    """Every text of an issue in all its forms. Which of them a mail has depends on its picks and nothing else.

    The pieces of a part are called `head`, `foot` and so on; `lead-7` and `pick-7` are a pick as the first of a mail
    and as a later one, `some-2` is what only a mail with two of the issue's picks says, and `rest` opens the section of
    the HTML that holds the later picks and the foot.
    """

    template_version: str
    links: tuple[LinkTarget, ...]
    picks: tuple[int, ...]  # ids, in the order of the edition
    sizes: Mapping[
        str, int
    ]  # of the HTML's pieces, decoded, with tokens of the usual length: what Gmail clips by
    headers: Part  # down to the boundary of the text part; its subjects are called as `form` says
    text: Part
    between: Piece  # from the text part to the HTML part
    html: Part
    end: Piece

    @property
    def largest(self) -> tuple[int, ...]:
        """The picks of the variant whose HTML is the largest: mostly all, but another lead may say more."""
        suffixes = [self.picks[place:] for place in range(len(self.picks))]
        return max(suffixes, key=self._html_size, default=())

    @property
    def html_bytes(self) -> int:
        """The size of the largest variant's HTML."""
        return self._html_size(self.largest)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Every subject that some reader may see, the whole issue's first."""
        lines = [b"".join(part for part in piece if isinstance(part, bytes)) for _, piece in self._subjects()]
        parsed = [str(message_from_bytes(line, policy=policy.default)["subject"]) for line in lines]
        return tuple(dict.fromkeys(parsed))

    def message_template(self, order: tuple[int, ...] | None = None) -> MessageTemplate:
        """The mail with these picks in this order; None: all in the editor's order. Raises BadInput for other picks."""
        order = self.picks if order is None else order
        if len(set(order)) != len(order) or not set(order) <= set(self.picks):
            raise BadInput(f"this issue has the picks {self.picks}, each at most once; requested {order}")
        headers = [self.headers[name] for name in ("head", self._form(order), "foot")]
        text = [self.text[name] for name in self._text_names(order)]
        html = [self.html[name] for name in self._html_names(order)]
        return MessageTemplate([*headers, *text, self.between, *html, self.end])

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads: a version line and compressed JSON. The same issue gives the same bytes."""
        fields = {
            "version": self.template_version,
            "links": [[link.number, link.pick_id, link.url, link.label] for link in self.links],
            "picks": self.picks,
            "sizes": dict(self.sizes),
            "headers": _plain_part(self.headers),
            "text": _plain_part(self.text),
            "between": _plain(self.between),
            "html": _plain_part(self.html),
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
            picks=tuple(fields["picks"]),
            sizes=fields["sizes"],
            headers=_part(fields["headers"]),
            text=_part(fields["text"]),
            between=_piece(fields["between"]),
            html=_part(fields["html"]),
            end=_piece(fields["end"]),
        )

    def _is_whole(self, order: Sequence[int]) -> bool:
        return len(order) in {0, len(self.picks)}

    def _form(self, order: Sequence[int]) -> str:
        return WHOLE if self._is_whole(order) else subject_form(order[0], len(order))

    def _text_names(self, order: Sequence[int]) -> Iterable[str]:
        some = [] if self._is_whole(order) else [f"some-{len(order)}"]
        return ["head", *some, *_block_names(order), "foot"]

    def _html_names(self, order: Sequence[int]) -> Iterable[str]:
        whole, many = self._is_whole(order), len(order)
        preheader = ["preheader"] if whole else [f"preheader-{order[0]}", f"preheader-some-{many}"]
        some = [] if whole else [f"some-{many}"]
        blocks = _block_names(order)
        return ["head", *preheader, "masthead", *some, *blocks[:1], "rest", *blocks[1:], "foot"]

    def _html_size(self, order: Sequence[int]) -> int:
        return sum(self.sizes[name] for name in self._html_names(order))

    def _subjects(self) -> list[tuple[str, Piece]]:
        return [(name, piece) for name, piece in self.headers.items() if name not in {"head", "foot"}]


def subject_form(lead: int, picks: int) -> str:
    """What the subject of a variant is called that begins with the pick `lead` and has so many picks."""
    return f"{lead}-{picks}"


def _block_names(order: Sequence[int]) -> list[str]:
    return [f"pick-{pick}" if place else f"lead-{pick}" for place, pick in enumerate(order)]


def _plain(piece: Piece) -> list[str | int]:
    return [part if isinstance(part, int) else part.decode("ascii") for part in piece]


def _piece(parts: list[str | int]) -> Piece:
    return tuple(part if isinstance(part, int) else part.encode("ascii") for part in parts)


def _plain_part(part: Part) -> dict[str, list[str | int]]:
    return {name: _plain(piece) for name, piece in part.items()}


def _part(pieces: Mapping[str, list[str | int]]) -> Part:
    return {name: _piece(piece) for name, piece in pieces.items()}

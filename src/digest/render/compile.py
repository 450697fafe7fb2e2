"""Compiles an edition once into static bytes, already encoded, with slots for what differs between readers."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time
from email.utils import format_datetime

from digest.errors import BadInput
from digest.render import environment, inbox_lines, issue_headers, mjml, quoted_printable
from digest.render.compiled_issue import WHOLE, CompiledIssue, Part, subject_form
from digest.render.content import Edition, to_json
from digest.render.linker import Linker
from digest.render.slots import TYPICAL_TOKEN_CHARS, Slots, slots_for
from digest.render.template_context import build_context


def compile_issue(edition: Edition, *, dated: datetime | None = None, test: bool = False) -> CompiledIssue:
    """Compile an edition: the templates and MJML run once, here and never again.

    `dated` is the mail's Date (noon UTC of the edition's day when None). A `test` mail is marked, and its links lead
    straight to their targets. The same edition gives the same bytes. Raises BadInput when a text is too long or
    nests too deep, or two picks share an id.
    """
    picks = [block.pick_id for block in edition.blocks]
    if len(set(picks)) != len(picks):
        raise BadInput("two picks of this edition share an id")
    issue_headers.check_addresses(edition)
    slots = slots_for(to_json(edition))
    linker = Linker(edition.base_url, slots, direct=test)
    facts = vars(build_context(edition, slots, linker, test=test))
    html = _cut(
        mjml.to_html(environment.render_template("issue", "body.mjml", **facts)), slots, _html_names(picks)
    )
    text = _cut(environment.render_template("issue", "body.txt", **facts), slots, _text_names(picks))
    boundary = f"={slots.mark}="
    date = format_datetime(dated or datetime.combine(edition.dated, time(12), UTC))
    return CompiledIssue(
        template_version=environment.template_version("issue"),
        links=linker.targets,
        picks=tuple(picks),
        sizes={name: _size(part, slots) for name, part in html.items()},
        headers=issue_headers.build_headers(
            edition, slots, subjects=_subjects(edition, test=test), date=date, boundary=boundary
        ),
        text=_encoded(text, slots),
        between=issue_headers.html_part_start(boundary),
        html=_encoded(html, slots),
        end=issue_headers.closing_boundary(boundary),
    )


def _subjects(edition: Edition, *, test: bool) -> dict[str, str]:
    """The subject of the whole issue and of every variant, by form."""
    subjects = {WHOLE: inbox_lines.issue_subject(edition)}
    for lead in edition.blocks:
        for picks in range(1, len(edition.blocks)):
            subject = inbox_lines.variant_subject(edition, lead, picks)
            subjects[subject_form(lead.pick_id, picks)] = subject
    filled = environment.render_template
    marked = {form: f"[Test] {subject}" if test else subject for form, subject in subjects.items()}
    return {form: filled("issue", "subject.txt", subject=subject) for form, subject in marked.items()}


def _html_names(picks: Sequence[int]) -> list[str]:
    """The pieces of the HTML part, in the order in which the template writes them."""
    some = range(1, len(picks))
    return [
        "head",
        "preheader",
        *(f"preheader-{pick}" for pick in picks),
        *(f"preheader-some-{many}" for many in some),
        "masthead",
        *(f"some-{many}" for many in some),
        *(f"lead-{pick}" for pick in picks),
        "rest",
        *(f"pick-{pick}" for pick in picks),
    ]


def _text_names(picks: Sequence[int]) -> list[str]:
    some = [f"some-{many}" for many in range(1, len(picks))]
    return ["head", *some, *(f"{form}-{pick}" for pick in picks for form in ("lead", "pick"))]


def _cut(document: str, slots: Slots, names: Sequence[str]) -> dict[str, str]:
    """A document in pieces, cut at its markers; what follows the last is the foot."""
    pieces, rest = {}, document
    for name in names:
        pieces[name], mark, rest = rest.partition(slots.end_marker(name))
        if not mark:
            raise BadInput(f"the issue template has no marker after {name}; each piece must end with one")
    return {**pieces, "foot": rest.rstrip() + "\n"}


def _encoded(pieces: dict[str, str], slots: Slots) -> Part:
    """The pieces as they are sent; each ends a line, so that any other may follow it."""
    encoded = {name: quoted_printable.encode(slots.split(piece)) for name, piece in pieces.items()}
    mark = slots.mark.encode()
    if any(mark in part for piece in encoded.values() for part in piece if isinstance(part, bytes)):
        raise BadInput("the issue template breaks a slot or a marker apart")
    return {
        name: piece if name == "foot" else quoted_printable.end_line(piece) for name, piece in encoded.items()
    }


def _size(piece: str, slots: Slots) -> int:
    return len(re.sub(slots.mark + "s[0-9]+e", "x" * TYPICAL_TOKEN_CHARS, piece).encode())

"""Two editors changed the same text: both texts side by side, and a choice for each. Until then neither is lost."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import g, make_response, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from digest.editorial.drafts import pick_edits, snapshot, versions
from digest.editorial.drafts.snapshot import Manuscript
from digest.editorial.models import Issue
from digest.errors import BadInput, NotAllowed
from digest.web.desk import current_publication, names
from digest.web.desk.drafts import blueprint, diffs, draft_actions, draft_fields
from digest.web.desk.drafts.diffs import Run
from digest.web.desk.problems import problem_page
from digest.web.desk.view_helpers import page, services, to

LOOK_BACK = 60  # versions in which the text that both began with is looked for


@dataclass(frozen=True)
class Clash:
    """One text that two people changed; `theirs` is None when the pick of a note is gone."""

    name: str
    label: str
    mine: str
    theirs: str | None
    mark: str  # of theirs: what a choice answers to
    joined: str | None  # both changes in one text, where they do not touch
    gone: list[Run]  # what mine has of it, with what theirs lacks
    new: list[Run]


def clash_page(number: int, form: Mapping[str, str], problem: str | None = None) -> Response:
    """The page on which one chooses, for the texts of `form` that clash with what is stored."""
    with services().db.read() as db:
        issue = current_publication.issue(db, number)
        found = draft_fields.compare(form, draft_fields.stored(issue))
        last = versions.latest(db, issue.id)
        body = page(
            "draft/clash.html",
            issue=issue,
            zone=issue.publication.zone,
            clashes=_clashes(db, issue, form, found.clashing),
            pressed=not str(form.get("do", "save")).startswith(("save", "settle")),
            last=last,
            problem=problem,
        )
    return whole_page(body, 400 if problem else 409)


@blueprint.post("/issues/<int:number>/settle")
def settle(number: int) -> Response:
    """Store what was chosen: mine, theirs, or a text of both; what changed meanwhile again is shown again."""
    picked = _picked()
    try:
        with services().db.begin() as db:
            issue = current_publication.issue(db, number)
            found = draft_fields.compare(picked, draft_fields.stored(issue))
            lost = draft_fields.lost(picked, draft_fields.stored(issue))
            with versions.edit(db, issue, draft_actions.me()) as edit:
                for name in lost:
                    pick_edits.add(db, issue, int(name.removeprefix("note-")), by=g.me.address)
                draft_actions.put(db, issue, found.changed | lost)
                edit.what = "Two texts joined"
    except BadInput as refusal:
        return clash_page(number, _as_before(), str(refusal))
    except NotAllowed as refusal:
        return whole_page(*problem_page(409, str(refusal), _texts(picked)))
    if set(found.clashing) - set(lost):
        return clash_page(number, picked)
    draft_actions.tell(issue, "Saved as you chose.", edit.made)
    return to("drafts.issue", number=number)


def whole_page(body: str, status: int) -> Response:
    """A page that takes the place of the one that is open, also when htmx asked for a part."""
    answer = make_response(body, status)
    answer.headers["HX-Retarget"] = answer.headers["HX-Reselect"] = "#main"
    answer.headers["HX-Reswap"] = "outerHTML show:window:top"
    return answer


def _picked() -> dict[str, str]:
    """The chosen texts as the draft's form would send them; whoever takes theirs sends nothing."""
    picked = {}
    for name in _named():
        choice = request.form.get(f"choose-{name}")
        if choice in {"mine", "own"}:
            picked[name] = request.form.get(f"{choice}-{name}", "")
            picked[f"was-{name}"] = request.form.get(f"was-{name}", "")
    return picked


def _texts(picked: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in picked.items() if not name.startswith("was-")}


def _as_before() -> dict[str, str]:
    mine = {name: request.form.get(f"own-{name}", "") for name in _named()}
    return mine | {f"was-{name}": "" for name in mine}


def _named() -> list[str]:
    names_ = (key.removeprefix("choose-") for key in request.form if key.startswith("choose-"))
    return [name for name in names_ if name in draft_fields.FIELDS or draft_fields.NOTE.fullmatch(name)]


def _clashes(db: Session, issue: Issue, form: Mapping[str, str], mine: Mapping[str, str]) -> list[Clash]:
    stored, labels = draft_fields.stored(issue), _labels(db, mine)
    past = [told.script for told in versions.listing(db, issue.id, limit=LOOK_BACK)]
    bases = {name: _base(name, form.get(f"was-{name}", ""), past) for name in mine}
    return [_clash(name, labels[name], bases[name], text, stored.get(name)) for name, text in mine.items()]


def _clash(name: str, label: str, base: str | None, mine: str, theirs: str | None) -> Clash:
    joined = None if base is None or theirs is None else diffs.join(base, mine, theirs)
    both = diffs.runs(mine, theirs or "")
    return Clash(
        name=name,
        label=label,
        mine=mine,
        theirs=theirs,
        mark=draft_fields.mark(theirs) if theirs is not None else "",
        joined=joined,
        gone=[run for run in both if run.kind != "new"],
        new=[run for run in both if run.kind != "gone"],
    )


def _base(name: str, mark: str, past: list[Manuscript]) -> str | None:
    """The text that both began with, by the mark that the form carries; None when no version has it."""
    texts = (_text(script, name) for script in past)
    return next((text for text in texts if text is not None and draft_fields.mark(text) == mark), None)


def _text(script: Manuscript, name: str) -> str | None:
    if name in snapshot.TEXTS:
        return str(getattr(script, name))
    number = int(name.removeprefix("note-"))
    return next((pick.note for pick in script.picks if pick.comparison == number), None)


def _labels(db: Session, mine: Mapping[str, str]) -> dict[str, str]:
    notes = {name: int(name.removeprefix("note-")) for name in mine if draft_fields.NOTE.fullmatch(name)}
    views = names.newest(db, set(notes.values()))
    labels = {name: name.capitalize() for name in mine}
    for name, number in notes.items():
        view = views.get(number)
        labels[name] = f"Note on {view.left.tool} vs {view.right.tool}" if view else "Note"
    return labels

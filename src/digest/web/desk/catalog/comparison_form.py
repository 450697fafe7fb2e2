"""A comparison entered or edited by hand: the form creates an import to review, as an upload does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from flask import g, request
from pydantic import ValidationError
from werkzeug.wrappers import Response

from digest.access.audit_verbs import Verb
from digest.catalog import public_json, queries, uploads
from digest.catalog.comparison import FIELD_RULES, MAX_REVIEWERS, ComparisonView
from digest.catalog.comparison_input import ComparisonInput
from digest.db import utcnow
from digest.editorial.models import Role
from digest.web.desk.access.audit_log import record
from digest.web.desk.auth import requires_role
from digest.web.desk.catalog import blueprint
from digest.web.desk.view_helpers import redirect_to, render_page, services
from digest.web.error_pages import as_sentence

SIDES: Final = ("left", "right")
NUMBERS: Final = tuple(name for name, rule in FIELD_RULES.items() if rule.kind == "percent")
TEXTS: Final = tuple(name for name in FIELD_RULES if name not in NUMBERS)
DEFAULT_ROWS: Final = 4
SMALLEST_STEP: Final = timedelta(microseconds=1)
QUOTE_FIELD_PARTS: Final = 3  # quote-<reviewer>-<side>
MAX_PERCENT_DIGITS: Final = 3


@dataclass
class Form:
    """The values of the fields, and the problems with them, by field name."""

    values: dict[str, str]
    rows: int = DEFAULT_ROWS
    problems: dict[str, str] = field(default_factory=dict)


@blueprint.get("/comparisons/new")
@requires_role(Role.EDITOR)
def new_comparison() -> str:
    """An empty form."""
    return _render(Form({}))


@blueprint.post("/comparisons/new")
def create_comparison() -> Response | tuple[str, int] | str:
    """Go to the review; with a problem, show the form again as it was filled in."""
    return _propose(None)


@blueprint.get("/comparisons/<slug>/correct")
@requires_role(Role.EDITOR)
def edit_comparison(slug: str) -> str:
    """The form with the current version's values."""
    with services().db.read() as db:
        view = queries.get_by_slug(db, slug)
    return _render(form_from_view(view), view)


@blueprint.post("/comparisons/<slug>/correct")
def update_comparison(slug: str) -> Response | tuple[str, int] | str:
    """Go to the review of a new version with the old one's date. Issues that were sent keep the old one."""
    with services().db.read() as db:
        view = queries.get_by_slug(db, slug)
    return _propose(view)


def _propose(view: ComparisonView | None) -> Response | tuple[str, int] | str:
    form = form_from_request(request.form)
    if request.form.get("action") == "add_reviewer":
        form.rows = min(form.rows + 1, MAX_REVIEWERS)
        return _render(form, view)
    if view is not None and request.form.get("version") != str(view.version):
        form.problems[""] = (
            f"Someone saved version {view.version} in the meantime. Your text is still here: compare it with that "
            "version in another tab, merge both, and submit again."
        )
        return _render(form, view), 409
    draft = parse_draft(form, view)
    if draft is None:
        return _render(form, view), 400
    with services().db.begin() as db:
        number = uploads.create_upload(db, [draft], [], user_id=g.me.id, now=utcnow())
        record(db, Verb.START_IMPORT, "comparison", details=view.slug if view else "written at the desk")
    return redirect_to("catalog.review_import", number=number)


def form_from_view(view: ComparisonView) -> Form:
    """The form with a comparison's values."""
    values_of = public_json.comparison_json(view)
    values = {
        f"{side}-{name}": "" if values_of[side][name] is None else str(values_of[side][name])
        for side in SIDES
        for name in (*TEXTS, *NUMBERS)
    }
    values |= {f"quote-{quote.reviewer}-{quote.side}": quote.text for quote in view.quotes}
    return Form(values, max((quote.reviewer for quote in view.quotes), default=DEFAULT_ROWS))


def form_from_request(sent: Mapping[str, str]) -> Form:
    """The submitted values; parse_draft drops rows of reviewers that are empty on both sides."""
    wanted = {f"{side}-{name}" for side in SIDES for name in (*TEXTS, *NUMBERS)} | {"source", "published_at"}
    row_numbers = [int(name.split("-")[1]) for name in sent if _is_quote_field(name)]
    rows = min(max(row_numbers, default=DEFAULT_ROWS), MAX_REVIEWERS)
    wanted |= {f"quote-{row}-{side}" for row in range(1, rows + 1) for side in SIDES}
    return Form({name: sent[name].replace("\r\n", "\n") for name in sent if name in wanted}, rows)


def parse_draft(form: Form, view: ComparisonView | None) -> ComparisonInput | None:
    """The comparison that a form describes; None, with the form's `problems` set, when it is invalid.

    An edit keeps the tools, and the date plus a microsecond, so that the new version takes the old one's place.
    """
    row_numbers = _filled_rows(form)
    values: dict[str, Any] = {side: _side_values(form, side) for side in SIDES}
    values["source"] = form.values.get("source", "").strip() or "written at the desk"
    values["published_at"] = form.values.get("published_at", "").strip() or None
    if view is not None:
        values["left"]["tool"], values["right"]["tool"] = view.left.tool, view.right.tool
        values["source"], values["published_at"] = "corrected at the desk", view.published_at + SMALLEST_STEP
    values["quotes"] = tuple(
        {"side": side, "reviewer": number, "text": form.values.get(f"quote-{row}-{side}", "")}
        for number, row in enumerate(row_numbers, 1)
        for side in SIDES
    )
    try:
        return ComparisonInput.model_validate(values)
    except ValidationError as error:
        form.problems |= _field_problems(error, row_numbers)
        return None


def _render(form: Form, view: ComparisonView | None = None) -> str:
    return render_page("comparison_form.html", form=form, view=view, sides=SIDES)


def _is_quote_field(name: str) -> bool:
    parts = name.split("-")
    return (
        len(parts) == QUOTE_FIELD_PARTS and parts[0] == "quote" and parts[1].isascii() and parts[1].isdigit()
    )


def _filled_rows(form: Form) -> list[int]:
    """The numbers of the reviewer rows that are not empty."""
    rows = range(1, form.rows + 1)
    return [n for n in rows if any(form.values.get(f"quote-{n}-{side}", "").strip() for side in SIDES)]


def _side_values(form: Form, side: str) -> dict[str, Any]:
    values: dict[str, Any] = {name: form.values.get(f"{side}-{name}", "") for name in TEXTS}
    for name in NUMBERS:
        text = form.values.get(f"{side}-{name}", "").strip().rstrip("%").strip()
        is_percent = text.isascii() and text.isdigit() and len(text) <= MAX_PERCENT_DIGITS
        values[name] = int(text) if is_percent else text or None
    return values


def _field_problems(error: ValidationError, row_numbers: list[int]) -> dict[str, str]:
    """A sentence for each invalid field; problems of no single field are under ""."""
    found: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        found.setdefault(_field_name(problem["loc"], row_numbers), _problem_text(problem["type"], message))
    return found


def _field_name(loc: tuple[int | str, ...], row_numbers: list[int]) -> str:
    if loc and loc[0] in SIDES and len(loc) > 1:
        return f"{loc[0]}-{loc[1]}"
    if len(loc) > 1 and loc[0] == "quotes" and isinstance(loc[1], int) and loc[1] < 2 * len(row_numbers):
        return f"quote-{row_numbers[loc[1] // 2]}-{SIDES[loc[1] % 2]}"
    return str(loc[0]) if loc and loc[0] in {"source", "published_at"} else ""


def _problem_text(kind: str, message: str) -> str:
    if kind == "string_too_short":
        return "This field is required."
    if kind in {"int_type", "int_parsing", "greater_than_equal", "less_than_equal"}:
        return "Enter a whole number from 0 to 100."
    if kind == "too_short":
        return "Add at least one reviewer's quote for each side."
    return as_sentence(message)

"""The desk's door: every page behind it needs a signed-in user, and every change a role that may change."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, g, redirect, request, session, url_for
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response as AnyResponse

from digest.editorial import users
from digest.editorial.models import Role
from digest.web.desk.frame import SCRIPTS, Me, is_live, services
from digest.web.guards import content_policy

View = TypeVar("View", bound=Callable[..., Any])

blueprint = Blueprint("desk", __name__, url_prefix="/desk")

ANYBODY: Final = 0
RANK: Final = {Role.VIEWER: 1, Role.EDITOR: 2, Role.OWNER: 3}
_SAFE: Final = ("GET", "HEAD", "OPTIONS")


def open_to_all(view: View) -> View:
    """Let people in who have not signed in: for the sign-in pages and nothing else."""
    view.needs = ANYBODY  # type: ignore[attr-defined]  # a mark on the function, read by `needed`
    return view


def needs(role: Role) -> Callable[[View], View]:
    """Say which role a view needs, where the rule "a viewer sees, an editor changes" is not the right one."""

    def mark(view: View) -> View:
        view.needs = RANK[role]  # type: ignore[attr-defined]  # a mark on the function, read by `needed`
        return view

    return mark


def needed(view: Callable[..., Any], method: str) -> int:
    """The rank that `view` asks for with this HTTP `method`: 0 for anybody, else as in RANK."""
    usual = RANK[Role.VIEWER] if method in _SAFE else RANK[Role.EDITOR]
    return int(getattr(view, "needs", usual))


@blueprint.before_request
def check() -> AnyResponse | None:
    """Turn away whoever may not: to the sign-in page when nobody is signed in, with 403 when the role is too small."""
    g.me = _me()
    need = needed(current_app.view_functions[str(request.endpoint)], request.method)
    if need == ANYBODY:
        return None
    if g.me is None:
        if request.method != "GET" or is_live():
            raise Unauthorized("You are signed out, so nothing was changed. Sign in and do it once more.")
        session["next"] = request.full_path.rstrip("?")
        return redirect(url_for("desk.sign_in"), 303)
    if RANK[g.me.role] < need:
        raise Forbidden("Your role lets you look, not change. An owner can give you another one.")
    return None


@blueprint.after_request
def keep_private(response: Response) -> Response:
    """No cache keeps a desk page, so that the Back button shows nothing after signing out. Scripts are our files."""
    response.headers["Cache-Control"] = "no-store"
    if g.get("me") is not None:
        response.headers.setdefault("Content-Security-Policy", content_policy(**SCRIPTS))
    return _for_htmx(response) if is_live() else response


def _for_htmx(response: Response) -> Response:
    """A live part follows a redirect to its own page, and makes the browser follow one to another.

    A refusal is put nowhere, for it is a whole page; static/desk.js tells of it.
    """
    aim = response.headers.get("Location")
    if aim and urlsplit(aim).path != urlsplit(request.headers.get("HX-Current-URL", "")).path:
        response = Response(headers={"HX-Redirect": aim, "Cache-Control": "no-store"})
    elif response.status_code >= HTTPStatus.BAD_REQUEST and "HX-Retarget" not in response.headers:
        response.headers["HX-Reswap"] = "none"
    return response


def _me() -> Me | None:
    if "user" not in session:
        return None
    with services().db.read() as db:
        user = users.user_for_session(db, session["user"], session.get("epoch", -1))
        return None if user is None else Me(user.id, user.address, Role(user.role))

"""The desk's door: every page behind it needs a signed-in user, and every change a role that may change."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, g, redirect, request, session, url_for
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response as AnyResponse

from digest.access.sessions import Seen
from digest.editorial.models import Role
from digest.web.desk import session_cookie
from digest.web.desk.view_helpers import SCRIPT_POLICY, CurrentUser, flash_problem, is_htmx_request
from digest.web.guards import content_security_policy

View = TypeVar("View", bound=Callable[..., Any])

blueprint = Blueprint("desk", __name__, url_prefix="/desk")

ANONYMOUS: Final = 0
RANK: Final = {Role.VIEWER: 1, Role.EDITOR: 2, Role.OWNER: 3}
_SAFE: Final = ("GET", "HEAD", "OPTIONS")


def allow_anonymous(view: View) -> View:
    """Let people in who have not signed in: for the sign-in pages and nothing else."""
    view.needs = ANONYMOUS  # type: ignore[attr-defined]  # a mark on the function, read by `needed`
    return view


def requires_role(role: Role) -> Callable[[View], View]:
    """Say which role a view needs, where the rule "a viewer sees, an editor changes" is not the right one."""

    def mark(view: View) -> View:
        view.needs = RANK[role]  # type: ignore[attr-defined]  # a mark on the function, read by `needed`
        return view

    return mark


def allow_without_second_factor(view: View) -> View:
    """Keep a view open to who has still to set up the second factor that the house demands."""
    view.settling = True  # type: ignore[attr-defined]  # a mark on the function, read by `check`
    return view


def polls(view: View) -> View:
    """Say that an open page asks this again and again: it is no sign that anybody sits before it (ASVS 7.3.1)."""
    view.by_itself = True  # type: ignore[attr-defined]  # a mark on the function, read when the use is noted
    return view


def required_rank(view: Callable[..., Any], method: str) -> int:
    """The rank that `view` asks for with this HTTP `method`: 0 for anybody, else as in RANK."""
    usual = RANK[Role.VIEWER] if method in _SAFE else RANK[Role.EDITOR]
    return int(getattr(view, "needs", usual))


@blueprint.before_request
def authorize() -> AnyResponse | None:
    """Turn away whoever may not: to the sign-in page when nobody is signed in, with 403 when the role is too small."""
    g.login_session = session_cookie.find_session()
    g.me = _current_user(g.login_session)
    view = current_app.view_functions[str(request.endpoint)]
    need = required_rank(view, request.method)
    if need == ANONYMOUS:
        return None
    if g.me is None:
        if request.method != "GET" or is_htmx_request():
            raise Unauthorized("You are signed out, so nothing was changed. Sign in and do it once more.")
        session["next"] = request.full_path.rstrip("?")
        return redirect(
            url_for("desk.access.second_factor" if g.login_session else "desk.access.sign_in"), 303
        )
    if g.login_session.owes_factor and not getattr(view, "settling", False):
        return _require_setup()
    if RANK[g.me.role] < need:
        raise Forbidden("Your role lets you look, not change. An owner can give you another one.")
    return None


@blueprint.after_request
def finish_response(response: Response) -> Response:
    """No cache keeps a desk page, so that the Back button shows nothing after signing out. Scripts are our files."""
    response.headers["Cache-Control"] = "no-store"
    view = current_app.view_functions.get(str(request.endpoint))
    if not getattr(view, "by_itself", False):
        session_cookie.record_activity(response)
    if g.get("me") is not None:
        response.headers.setdefault("Content-Security-Policy", content_security_policy(**SCRIPT_POLICY))
    return _adapt_for_htmx(response) if is_htmx_request() else response


def _adapt_for_htmx(response: Response) -> Response:
    """A live part follows a redirect to its own page, and makes the browser follow one to another.

    A refusal is put nowhere, for it is a whole page; static/desk.js tells of it.
    """
    aim = response.headers.get("Location")
    if aim and urlsplit(aim).path != urlsplit(request.headers.get("HX-Current-URL", "")).path:
        response = Response(headers={"HX-Redirect": aim, "Cache-Control": "no-store"})
    elif response.status_code >= HTTPStatus.BAD_REQUEST and "HX-Retarget" not in response.headers:
        response.headers["HX-Reswap"] = "none"
    return response


def _require_setup() -> AnyResponse:
    """Nobody works without a second factor where the house demands one."""
    if request.method != "GET":
        raise Forbidden("Everybody here needs a second factor. Set up yours first; nothing was changed.")
    flash_problem("Everybody here needs a second factor. Set up yours, and the desk is open.")
    return redirect(url_for("desk.access.account"), 303)


def _current_user(visit: Seen | None) -> CurrentUser | None:
    if visit is None or visit.proved_at is None:
        return None
    return CurrentUser(visit.user_id, visit.address, Role(visit.role))

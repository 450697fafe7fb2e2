"""Authorization at the desk: every page needs a signed-in user, and every change a role that allows it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, g, redirect, request, session, url_for
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response as AnyResponse

from digest.access.sessions import CurrentSession
from digest.editorial.models import Role
from digest.web.desk import session_cookie
from digest.web.desk.view_helpers import (
    SCRIPT_POLICY,
    CurrentUser,
    flash_problem,
    is_htmx_request,
    mask_for_viewers,
    split_header_url,
)
from digest.web.guards import content_security_policy

View = TypeVar("View", bound=Callable[..., Any])

blueprint = Blueprint("desk", __name__, url_prefix="/desk")

blueprint.add_app_template_filter(mask_for_viewers)

ANONYMOUS: Final = 0
RANK: Final = {Role.VIEWER: 1, Role.EDITOR: 2, Role.OWNER: 3}
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


def allow_anonymous(view: View) -> View:
    """Open a view to anonymous visitors: for the sign-in pages only."""
    view.needs = ANONYMOUS  # type: ignore[attr-defined]  # a mark on the function, read by `needed`
    return view


def requires_role(role: Role) -> Callable[[View], View]:
    """Require `role`, where the default (viewers see, editors change) does not fit."""

    def mark(view: View) -> View:
        view.needs = RANK[role]  # type: ignore[attr-defined]  # a mark on the function, read by `needed`
        return view

    return mark


def allow_without_second_factor(view: View) -> View:
    """Open a view to users who have yet to set up the second factor that the team requires."""
    view.settling = True  # type: ignore[attr-defined]  # a mark on the function, read by `check`
    return view


def polls(view: View) -> View:
    """Mark a view that an open page polls: a request to it is no sign of activity (ASVS 7.3.1)."""
    view.by_itself = True  # type: ignore[attr-defined]  # a mark on the function, read when the use is noted
    return view


def required_rank(view: Callable[..., Any], method: str) -> int:
    """The rank that `view` requires for this HTTP `method`: ANONYMOUS, or one of RANK."""
    usual = RANK[Role.VIEWER] if method in SAFE_METHODS else RANK[Role.EDITOR]
    return int(getattr(view, "needs", usual))


@blueprint.before_request
def authorize() -> AnyResponse | None:
    """Send anonymous visitors to the sign-in page, and refuse with 403 when the role does not suffice."""
    g.login_session = session_cookie.find_session()
    g.me = _current_user(g.login_session)
    view = current_app.view_functions[str(request.endpoint)]
    need = required_rank(view, request.method)
    if need == ANONYMOUS:
        return None
    if g.me is None:
        if request.method != "GET" or is_htmx_request():
            raise Unauthorized("You are signed out, so nothing was changed. Sign in and try again.")
        session["next"] = request.full_path.rstrip("?")
        return redirect(
            url_for("desk.access.second_factor" if g.login_session else "desk.access.sign_in"), 303
        )
    if g.login_session.must_set_up_factor and not getattr(view, "settling", False):
        return _require_setup()
    if RANK[g.me.role] < need:
        raise Forbidden("You don't have permission to do this. Ask an owner to change your role.")
    return None


@blueprint.after_request
def finish_response(response: Response) -> Response:
    """Prevent caching, so that the Back button shows nothing after signing out; allow our scripts; record activity."""
    response.headers["Cache-Control"] = "no-store"
    view = current_app.view_functions.get(str(request.endpoint))
    if not getattr(view, "by_itself", False):
        session_cookie.record_activity(response)
    if g.get("me") is not None:
        response.headers.setdefault("Content-Security-Policy", content_security_policy(**SCRIPT_POLICY))
    return _adapt_for_htmx(response) if is_htmx_request() else response


def _adapt_for_htmx(response: Response) -> Response:
    """Let htmx follow a redirect to the same page, and make the browser follow one to another.

    An error is a whole page, so htmx does not swap it in; static/desk.js shows it.
    """
    target = response.headers.get("Location")
    if target and urlsplit(target).path != split_header_url("HX-Current-URL").path:
        response = Response(headers={"HX-Redirect": target, "Cache-Control": "no-store"})
    elif response.status_code >= HTTPStatus.BAD_REQUEST and "HX-Retarget" not in response.headers:
        response.headers["HX-Reswap"] = "none"
    return response


def _require_setup() -> AnyResponse:
    """Ask a user without a second factor to set one up, where the team requires it."""
    if request.method != "GET":
        raise Forbidden("Your team requires two-factor authentication. Set it up first; nothing was changed.")
    flash_problem("Your team requires two-factor authentication. Set it up to continue.")
    return redirect(url_for("desk.access.account"), 303)


def _current_user(visit: CurrentSession | None) -> CurrentUser | None:
    if visit is None or visit.verified_at is None:
        return None
    return CurrentUser(visit.user_id, visit.address, Role(visit.role))

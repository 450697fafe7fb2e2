"""A desk with one draft, and clients that are signed in."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from sqlalchemy import select
from tests.snapshots import create_once
from tests.web.factories import TOOLS, Site, create_comparison, create_publication, make_site
from werkzeug.test import TestResponse

from digest.db import Database, utcnow
from digest.editorial import users
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, Pick
from digest.publications import publications

PAIRS = ((0, 3), (1, 2), (4, 5), (2, 5), (0, 1), (3, 4), (1, 5))


def make_desk(db: Database, home: Path, base_url: str = "https://news.example.org", **fields: object) -> Site:
    """A publication with seven comparisons, the draft of issue 1, and a user of each role."""
    create_once(db, ("desk", repr(sorted(fields.items()))), lambda: _fill(db, fields))
    return make_site(db, home, base_url)


def _fill(db: Database, fields: Mapping[str, object]) -> None:
    with db.begin() as session:
        create_publication(session, **({"sender_address": "news@verdicts.io"} | fields))
        for days, (first, second) in enumerate(PAIRS):
            create_comparison(session, first, second, days_ago=days)
        for role in ("owner", "editor", "viewer"):
            users.invite_user(session, f"{role}@verdicts.io", role, utcnow())
        drafting.draft_issue(session, publications.find(session), utcnow(), actor="test")


def signed_in(made: Site, role: str = "editor") -> FlaskClient:
    """A client signed in as the user of this role, with a sign-in link and its button."""
    with made.db.read() as session:
        user = users.find_user(session, f"{role}@verdicts.io")
        token = users.create_sign_in_token(made.signer, user, utcnow())
    client = made.app.test_client()
    path = f"/desk/enter/{token}"
    answer = client.post(path, data={"csrf_token": csrf_token(client, path)}, base_url=_base(client))
    assert answer.status_code == 303
    return client


def get(client: FlaskClient, path: str, status: int = 200) -> str:
    """The page at `path`."""
    answer = client.get(path, base_url=_base(client))
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def csrf_token(client: FlaskClient, path: str) -> str:
    """The CSRF token in the first form of a page."""
    found = re.search(
        r'name="csrf_token" value="([^"]+)"', client.get(path, base_url=_base(client)).get_data(as_text=True)
    )
    return found[1] if found else ""


def post(client: FlaskClient, path: str, **fields: object) -> TestResponse:
    """Post a form with the CSRF token of the client's session, and follow the redirect."""
    data = {"csrf_token": _cached_token(client), **fields}
    return client.post(path, data=data, base_url=_base(client), follow_redirects=True)


def _cached_token(client: FlaskClient) -> str:
    """A CSRF token is valid in every form as long as the session, so one page is loaded, which costs little."""
    tokens: dict[str, str] = client.__dict__.setdefault("csrf_tokens", {})
    found = tokens.get(_session_secret(client)) or csrf_token(client, "/desk/sign-in")
    tokens[_session_secret(client)] = found
    return found


def _session_secret(client: FlaskClient) -> str:
    """The secret of the session that its CSRF tokens are made from; a new one after each sign-in."""
    with client.session_transaction(base_url=_base(client)) as session:
        return str(session.get("csrf_token", ""))


def draft_form(client: FlaskClient, path: str = "/desk/issues/1") -> dict[str, str]:
    """What a browser sends of the draft's form when nothing was changed."""
    page = get(client, path)
    fields = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            fields[name[1]] = _text(value[1] if value else "")
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL):
        fields[name] = _text(text).replace("\n", "\r\n")
    return fields


def load_picks(made: Site, number: int = 1) -> list[Pick]:
    """The picks of an issue in their order."""
    with made.db.read() as session:
        rows = select(Pick).join(Issue).where(Issue.number == number).order_by(Pick.position)
        found = list(session.scalars(rows))
        session.expunge_all()  # so that they can be read after the session has ended
        return found


def pick_order(made: Site) -> list[int]:
    """The comparisons of issue 1, in their order."""
    return [pick.comparison_id for pick in load_picks(made)]


def load_issue(made: Site, number: int = 1) -> Issue:
    """The issue as it is stored."""
    with made.db.read() as session:
        found = session.scalars(select(Issue).where(Issue.number == number)).one()
        session.expunge_all()
        return found


def undo_button(page: str) -> tuple[str, dict[str, str]]:
    """The path and the fields that the Undo button of a page posts."""
    button = re.search(r'<button[^>]*form="draft"[^>]*value="(undo:\d+)">Undo', page)
    if button:  # a button of the draft's own form, which sends unsaved texts along
        action = re.search(r'id="draft"[^>]*action="([^"?]+)', page)
        assert action
        return action[1], {"action": button[1]}
    flash = re.search(r'<div class="flash.*?</form>', page, re.DOTALL)
    assert flash, page
    path = re.search(r'action="([^"]+)"', flash[0])
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', flash[0]))
    fields.pop("csrf_token")
    assert path
    return urlsplit(path[1]).path, {name: _text(text) for name, text in fields.items()}


def _text(html: str) -> str:
    import html as escaping

    return escaping.unescape(html)


def _base(client: FlaskClient) -> str:
    return str(client.application.extensions["digest"].base_url)


__all__ = [
    "TOOLS",
    "csrf_token",
    "draft_form",
    "get",
    "load_issue",
    "load_picks",
    "make_desk",
    "pick_order",
    "post",
    "signed_in",
    "undo_button",
]

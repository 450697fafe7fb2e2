"""The log: what the desk writes into it, and the page on which an owner reads it."""

from datetime import timedelta
from typing import Final

from flask import Response, g, request, url_for
from sqlalchemy.orm import Session

from digest.access import audit_log
from digest.db import utcnow
from digest.editorial import users
from digest.editorial.models import Role
from digest.publications import publications
from digest.web.desk.access import blueprint
from digest.web.desk.auth import blueprint as desk
from digest.web.desk.auth import needs
from digest.web.desk.view_helpers import page, services
from digest.web.guards import whole

TOGETHER: Final = timedelta(minutes=10)  # the same by the same person is one line
# The thing that a page is about, by the word after /desk/ in its address.
KIND_OF: Final = {
    "": "issue",
    "issues": "issue",
    "calendar": "issue",
    "subscribers": "subscriber",
    "comparisons": "comparison",
    "people": "person",
    "account": "person",
}
SILENT: Final = "changes nothing that outlives the answer"


def note(
    db: Session,
    verb: str,
    kind: str,
    number: int | None = None,
    words: str = "",
    *,
    by: int | None = None,
    publication_id: int | None = None,
) -> None:
    """Write into the log what the one at the desk (or user `by`, who is just coming in) does, in its transaction."""
    who = audit_log.Who("desk", by or g.me.id)
    paper = publication_id or _publication(db, kind)
    audit_log.write(db, who, verb, kind, number, now=utcnow(), words=words, publication_id=paper)
    g.noted = True


def is_silent(endpoint: str) -> bool:
    """Whether a POST of this endpoint is told to nobody: a search, a look, a challenge."""
    return endpoint.rpartition(".")[2] in UNTOLD


UNTOLD: Final = {
    "seek": "finds a subscriber; a POST so that no address stands in a URL",
    "switch": "chooses what this browser shows",
    "stay": "says that one is at the draft",
    "look": "looks at a draft with words that are not kept",
    "looked": "keeps what one has seen of a draft",
    "find_reader": "finds whose mail to show",
    "ask": "posts a letter; the letter itself is a row",
    "passkey_challenge": "asks; the answer is told",
    "second_challenge": "asks; the answer is told",
    "provider": "leads to the provider; coming back is told",
    "app_start": "draws a secret that counts only once it is proved, which is told",
    "letter_again": "posts a letter; the letter itself is a row",
}


# What an endpoint does, where its name is no verb that people know.
VERBS: Final = {
    "another": "add a publication",
    "ask_release": "ask for release",
    "bring": "bring in",
    "bring_back": "bring back a version",
    "correct_now": "correct",
    "draft_now": "draft",
    "make": "import",
    "nudges": "choose nudges",
    "save": "change",
    "save_words": "write",
    "set_up_save": "set up",
    "try_it": "test",
    "write_now": "add",
}


@desk.after_request
def tell(response: Response) -> Response:
    """Write a line for every change of which its own page told nothing, so that no door is forgotten."""
    changes = request.method not in {"GET", "HEAD", "OPTIONS"} and response.status_code < 400  # noqa: PLR2004
    told = g.get("noted") or g.get("refused") or is_silent(str(request.endpoint))
    if (
        changes and g.get("me") and not told and request.form.get("do") != "look"
    ):  # that only shows what would be
        verb, kind, number = _by_address()
        words = " ".join(value for value in (request.view_args or {}).values() if isinstance(value, str))
        who, since = audit_log.Who("desk", g.me.id), utcnow() - TOGETHER
        with services().db.read() as db:
            paper = _publication(db, kind)
            again = audit_log.lately(
                db, who, since, verb, kind, number=number, words=words, publication_id=paper
            )
        if not again:
            with services().db.begin() as db:
                note(db, verb, kind, number, words)
    return response


@blueprint.get("/log", endpoint="log")
@needs(Role.OWNER)
def read() -> str:
    """The log, fifty lines a page, of one kind or one person when asked."""
    before, kind = request.args.get("before", type=whole), request.args.get("kind") or None
    user_id = request.args.get("user", type=whole)
    with services().db.read() as db:
        lines = audit_log.page(db, before=before, kind=kind, user_id=user_id)
        return page(
            "log.html",
            lines=lines,
            link=_link,
            kinds=audit_log.KINDS,
            people=users.listing(db),
            kind=kind,
            user_id=user_id,
            first=before is None,
            older=lines[-1].entry.id if len(lines) == audit_log.AT_ONCE else None,
            zone=publications.find(db, g.get("on_desk")).zone,
        )


def _publication(db: Session, kind: str) -> int | None:
    """The publication that things of this kind belong to; None where they belong to the house."""
    return publications.find(db, g.get("on_desk")).id if kind == "issue" else None


def _by_address() -> tuple[str, str, int | None]:
    """Verb, kind and number of a change, from its endpoint and its address."""
    endpoint = str(request.endpoint).rpartition(".")[2]
    verb = request.form.get("do", "").partition(":")[0] or VERBS.get(endpoint, endpoint)
    number = (request.view_args or {}).get("number")
    kind = KIND_OF.get(request.path.removeprefix("/desk/").partition("/")[0], "setting")
    return verb.replace("_", " ").replace("-", " ")[:32], kind, number if isinstance(number, int) else None


def _link(line: audit_log.Line) -> str | None:
    """The page of the thing that a line is about, when there is one."""
    number = line.entry.number
    if number is None:
        return None
    if line.entry.kind == "issue":
        return url_for("desk.drafts.issue", number=number, publication=line.slug)
    return url_for("desk.audience.subscriber", number=number) if line.entry.kind == "subscriber" else None

"""What happens in `digest demo`: a publication, its readers, one who signs up, and an issue that goes out."""

import email
import email.policy
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import click

from digest.errors import Unavailable

if TYPE_CHECKING:
    from digest.embedded.mailbox import Maildir
    from digest.publications.models import Publication
    from digest.services import Services

PATIENCE = 60.0  # seconds for any one step
READER = "you@example.org"
FIELDS = {
    "name": "Ship or Skip",
    "tagline": "Which AI tools to ship with, and which to skip. Every week.",
    "sender": "verdicts@ship-or-skip.example",
    "postal_address": "Ship or Skip, 1 Example Street, 10115 Berlin",
    "zone": "Europe/Berlin",
}
OWNER = "editor@ship-or-skip.example"
GIVEN = (
    "Ada Ben Cleo Dario Edda Farid Gil Hana Ines Jon Kaya Levi "
    "Mona Nils Ola Pia Quy Rosa Sami Tove Uma Vera Wim Yusra"
)
INTRO = "Two models, one budget: this week's panel could not agree, and says why."
Answer = TypeVar("Answer")


def prepare(services: "Services") -> str:
    """The publication, its comparisons and its first readers; gives the editor's sign-in link."""
    from digest.cli.setup import first_owner, first_publication, migrate, sign_in_link

    migrate(services)
    with services.db.begin() as session:
        publication, _ = first_publication(session, dict(FIELDS))
        link = sign_in_link(services, first_owner(session, OWNER))
    tell("publication", f"{publication.name}, every week")
    tell("comparisons", f"{_import(services)} imported, published over the last weeks")
    tell("readers", f"{_readers(services, publication)} signed up and confirmed")
    return link


def sign_up_and_send(services: "Services") -> None:
    """Sign a reader up as a browser would, then draft and send this week's issue."""
    from digest.embedded.mailbox import Maildir

    maildir = Maildir(services.home / "mailbox")
    _post(f"{services.base_url}/subscribe", json.dumps({"address": READER}).encode(), "application/json")
    found = until(lambda: _link(maildir, "confirm"), "the confirmation letter")
    _post(found, b"", "application/x-www-form-urlencoded")
    until(lambda: len(_mails(maildir, READER)) > 1 or None, "the welcome letter")
    tell("sign-up", f"{READER} asked, got a confirmation, confirmed, and was welcomed")
    issue_id, said = _draft(services)
    tell("draft", said)
    _send(services, issue_id)
    tell("sent", _outcomes(services, issue_id))


def _import(services: "Services") -> int:
    from digest.catalog import sample
    from digest.db import utcnow

    with services.db.begin() as session:
        return sample.bring(session, utcnow())


def _readers(services: "Services", publication: "Publication") -> int:
    from digest.audience import confirm, signup
    from digest.db import utcnow

    then = utcnow() - timedelta(days=30)
    names = GIVEN.split()
    with services.db.begin() as session:
        for name in names:
            asked = signup.request(
                session,
                services.signer,
                publication=publication,
                address=f"{name.lower()}@example.org",
                wording="Sample data.",
                source="demo",
                network=None,
                agent=None,
                now=then,
            )
            confirm.confirm(
                session,
                publication.id,
                asked.subscriber_id,
                wording="Sample data.",
                network=None,
                agent=None,
                now=then,
            )
    return len(names)


def _draft(services: "Services") -> tuple[int, str]:
    from digest.db import utcnow
    from digest.editorial.drafts import drafting, text_edits
    from digest.publications import publications

    with services.db.begin() as session:
        issue = drafting.draft(session, publications.find(session), utcnow(), by="command line")
        text_edits.write(session, issue, issue.revision, intro=INTRO)
        return issue.id, f"issue {issue.number}, {len(issue.picks)} verdicts: “{issue.subject}”"


def _send(services: "Services", issue_id: int) -> None:
    from digest.cli.waiting import wait
    from digest.db import utcnow
    from digest.editorial import issues
    from digest.editorial.calendar import schedule

    with services.db.begin() as session:
        schedule.send_now(
            session, issues.by_id(session, issue_id), hold_minutes=0, now=utcnow(), by="command line"
        )
    services.nudge("calendar")
    wait(services.db, issue_id, still=PATIENCE)


def _outcomes(services: "Services", issue_id: int) -> str:
    from digest.delivery.ledger.counts import counts

    with services.db.read() as session:
        found = counts(session, issue_id)
    return (
        f"{found.planned} planned = {found.accepted} accepted + {found.excluded} excluded + {found.failed} failed "
        f"+ {found.unknown} unknown + {found.remaining} remaining"
    )


def _link(maildir: "Maildir", kind: str) -> str | None:
    for raw in _mails(maildir, READER):
        part = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))
        if part and (match := re.search(rf"https?://\S+/{kind}/[\w-]+", part.get_content())):
            return match[0]
    return None


def _mails(maildir: "Maildir", to: str) -> list[bytes]:
    mails = (maildir.read(key) or b"" for key in maildir.keys())  # noqa: SIM118  it is no dict
    return [raw for raw in mails if to.encode() in raw.partition(b"\r\n\r\n")[0]]


def _post(url: str, body: bytes, kind: str) -> None:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind})  # noqa: S310  our own server
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  likewise
            answer.read()
    except urllib.error.HTTPError as error:
        raise Unavailable(f"{url.partition('?')[0]} answered {error.code}") from None


def until(ask: Callable[[], Answer | None], what: str) -> Answer:
    """What `ask` gives once it gives something; asked ten times a second. Raises Unavailable when it never does."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.1)
    raise Unavailable(f"{what} did not come within {PATIENCE:.0f} s")


def tell(what: str, said: str) -> None:
    """One line of progress."""
    click.echo(f"  {click.style('✓', fg='green')} {what:<12} {said}")

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

TIMEOUT_SECONDS = 60.0  # seconds for any one step
READER = "you@example.org"
PUBLICATION_FIELDS = {
    "name": "Ship or Skip",
    "tagline": "Which AI tools to ship with, and which to skip. Every week.",
    "sender": "verdicts@ship-or-skip.example",
    "postal_address": "Ship or Skip, 1 Example Street, 10115 Berlin",
    "zone": "Europe/Berlin",
}
OWNER = "editor@ship-or-skip.example"
READER_NAMES = (
    "Ada Ben Cleo Dario Edda Farid Gil Hana Ines Jon Kaya Levi "
    "Mona Nils Ola Pia Quy Rosa Sami Tove Uma Vera Wim Yusra"
)
INTRO = "Two models, one budget: this week's panel could not agree, and says why."
Answer = TypeVar("Answer")


def prepare(services: "Services") -> str:
    """The publication, its comparisons and its first readers; gives the editor's sign-in link."""
    from digest.cli.setup import ensure_owner, ensure_publication, migrate, create_sign_in_link

    migrate(services)
    with services.db.begin() as session:
        publication, _ = ensure_publication(session, dict(PUBLICATION_FIELDS))
        link = create_sign_in_link(services, ensure_owner(session, OWNER))
    print_step("publication", f"{publication.name}, every week")
    print_step("comparisons", f"{_import(services)} imported, published over the last weeks")
    print_step("readers", f"{_add_readers(services, publication)} signed up and confirmed")
    return link


def sign_up_and_send(services: "Services") -> None:
    """Sign a reader up as a browser would, then draft and send this week's issue."""
    from digest.embedded.mailbox import Maildir

    maildir = Maildir(services.home / "mailbox")
    _post(f"{services.base_url}/subscribe", json.dumps({"address": READER}).encode(), "application/json")
    found = poll_until(lambda: _find_link(maildir, "confirm"), "the confirmation letter")
    _post(found, b"", "application/x-www-form-urlencoded")
    poll_until(lambda: len(_list_mails(maildir, READER)) > 1 or None, "the welcome letter")
    print_step("sign-up", f"{READER} asked, got a confirmation, confirmed, and was welcomed")
    issue_id, said = _draft(services)
    print_step("draft", said)
    _send(services, issue_id)
    print_step("sent", _describe_outcomes(services, issue_id))


def _import(services: "Services") -> int:
    from digest.catalog import sample
    from digest.db import utcnow

    with services.db.begin() as session:
        return sample.import_sample(session, utcnow())


def _add_readers(services: "Services", publication: "Publication") -> int:
    from digest.audience import confirm, signup
    from digest.db import utcnow

    then = utcnow() - timedelta(days=30)
    names = READER_NAMES.split()
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
        issue = drafting.draft_issue(session, publications.find(session), utcnow(), actor="command line")
        text_edits.update_texts(session, issue, issue.revision, intro=INTRO)
        return issue.id, f"issue {issue.number}, {len(issue.picks)} verdicts: “{issue.subject}”"


def _send(services: "Services", issue_id: int) -> None:
    from digest.cli.waiting import wait_until_sent
    from digest.db import utcnow
    from digest.editorial import issues
    from digest.editorial.calendar import schedule

    with services.db.begin() as session:
        schedule.send_now(
            session, issues.get_by_id(session, issue_id), hold_minutes=0, now=utcnow(), actor="command line"
        )
    services.enqueue_soon("calendar")
    wait_until_sent(services.db, issue_id, still=TIMEOUT_SECONDS)


def _describe_outcomes(services: "Services", issue_id: int) -> str:
    from digest.delivery.ledger.counts import count_outcomes

    with services.db.read() as session:
        found = count_outcomes(session, issue_id)
    return (
        f"{found.planned} planned = {found.accepted} accepted + {found.excluded} excluded + {found.failed} failed "
        f"+ {found.unknown} unknown + {found.remaining} remaining"
    )


def _find_link(maildir: "Maildir", kind: str) -> str | None:
    for raw in _list_mails(maildir, READER):
        part = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))
        if part and (match := re.search(rf"https?://\S+/{kind}/[\w-]+", part.get_content())):
            return match[0]
    return None


def _list_mails(maildir: "Maildir", to: str) -> list[bytes]:
    mails = (maildir.read(key) or b"" for key in maildir.keys())  # noqa: SIM118  it is no dict
    return [raw for raw in mails if to.encode() in raw.partition(b"\r\n\r\n")[0]]


def _post(url: str, body: bytes, kind: str) -> None:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind})  # noqa: S310  our own server
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  likewise
            answer.read()
    except urllib.error.HTTPError as error:
        raise Unavailable(f"{url.partition('?')[0]} answered {error.code}") from None


def poll_until(ask: Callable[[], Answer | None], what: str) -> Answer:
    """What `ask` gives once it gives something; asked ten times a second. Raises Unavailable when it never does."""
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.1)
    raise Unavailable(f"{what} did not come within {TIMEOUT_SECONDS:.0f} s")


def print_step(what: str, said: str) -> None:
    """One line of progress."""
    click.echo(f"  {click.style('✓', fg='green')} {what:<12} {said}")

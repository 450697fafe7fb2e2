"""What `digest demo` does: a publication with readers, a sign-up, and an issue that is sent."""

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
    from digest.embedded.maildir import Maildir
    from digest.publications.models import Publication
    from digest.services import Services

TIMEOUT_SECONDS = 60.0  # for any one step
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
    """Create the publication, its comparisons and first readers; return the owner's sign-in link."""
    from digest.cli.setup import create_sign_in_link, set_up
    from digest.cli.upgrade import migrate

    migrate(services)
    with services.db.begin() as session:
        publication, _, owner = set_up(session, dict(PUBLICATION_FIELDS), OWNER)
        link = create_sign_in_link(services, owner)
    print_step("publication", f"{publication.name}, weekly")
    print_step("comparisons", f"{_import(services)} imported, published over the past weeks")
    print_step("readers", f"{_add_readers(services, publication)} confirmed")
    return link


def sign_up_and_send(services: "Services") -> None:
    """Sign a reader up over HTTP, then draft and send this week's issue."""
    from digest.embedded.maildir import Maildir

    maildir = Maildir(services.home / "mailbox")
    _post(f"{services.base_url}/subscribe", json.dumps({"address": READER}).encode(), "application/json")
    link = poll_until(lambda: _find_link(maildir, "confirm"), "The confirmation email")
    _post(link, b"", "application/x-www-form-urlencoded")
    poll_until(lambda: len(_list_mails(maildir, READER)) > 1 or None, "The welcome email")
    print_step("sign-up", f"{READER} signed up, confirmed and was sent a welcome email")
    issue_id, summary = _draft(services)
    print_step("draft", summary)
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

    signed_up_at = utcnow() - timedelta(days=30)
    names = READER_NAMES.split()
    with services.db.begin() as session:
        for name in names:
            request = signup.request_signup(
                session,
                services.signer,
                publication=publication,
                address=f"{name.lower()}@example.org",
                wording="Sample data.",
                source="demo",
                network=None,
                agent=None,
                now=signed_up_at,
            )
            confirm.confirm(
                session,
                publication.id,
                request.subscriber_id,
                wording="Sample data.",
                network=None,
                agent=None,
                now=signed_up_at,
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
    wait_until_sent(services.db, issue_id, stalled_seconds=TIMEOUT_SECONDS)


def _describe_outcomes(services: "Services", issue_id: int) -> str:
    from digest.delivery.ledger.counts import count_outcomes

    with services.db.read() as session:
        counts = count_outcomes(session, issue_id)
    return (
        f"{counts.planned} planned = {counts.accepted} accepted + {counts.excluded} excluded + {counts.failed} failed "
        f"+ {counts.unknown} unknown + {counts.remaining} remaining"
    )


def _find_link(maildir: "Maildir", kind: str) -> str | None:
    for raw in _list_mails(maildir, READER):
        part = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))
        if part and (match := re.search(rf"https?://\S+/{kind}/[\w-]+", part.get_content())):
            return match[0]
    return None


def _list_mails(maildir: "Maildir", to: str) -> list[bytes]:
    mails = (maildir.read(key) or b"" for key in maildir.keys())  # noqa: SIM118  not a dict
    return [raw for raw in mails if to.encode() in raw.partition(b"\r\n\r\n")[0]]


def _post(url: str, body: bytes, kind: str) -> None:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind})  # noqa: S310  our own server
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  likewise
            answer.read()
    except urllib.error.HTTPError as error:
        raise Unavailable(f"{url.partition('?')[0]} answered {error.code}") from None


def poll_until(ask: Callable[[], Answer | None], name: str) -> Answer:
    """Poll `ask` ten times a second until it returns something. Raises Unavailable after a minute."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.1)
    raise Unavailable(f"{name} did not arrive within {TIMEOUT_SECONDS:.0f} s")


def print_step(name: str, summary: str) -> None:
    """Print one line of progress."""
    click.echo(f"  {click.style('✓', fg='green')} {name:<12} {summary}")

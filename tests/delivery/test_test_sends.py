"""A test is the very mail that a reader with these topics would get, marked, and what became of it is told."""

from email import message_from_bytes, policy

from sqlalchemy import select
from tests.delivery.factories import BASE, issue
from tests.delivery.test_letters import send
from tests.relay import Relay

from digest.catalog.models import Review
from digest.db import Database, utcnow
from digest.delivery.letters import test_sends
from digest.editorial.models import Issue


def test_a_test_holds_what_its_topics_hold_and_says_what_the_relay_answered(db: Database) -> None:
    with db.begin() as session:
        made = issue(session, picks=3, readers=1)
        version = made.picks[1].version
        for review in (version.left, version.right):
            review.category = "Gardening"
        assert len(session.scalars(select(Review)).all()) == 6
        for wanted in ((), ("Gardening",), ("Nothing of it",)):
            test_sends.enqueue_test_send(
                session, made, "ed@example.org", base_url=BASE, now=utcnow(), topics_wanted=wanted
            )
    with Relay() as relay:
        assert send(db, relay) == 3
    texts = [
        message_from_bytes(mail.data, policy=policy.default).get_body(("plain",)).get_content()
        for mail in relay.mails
    ]
    held = [[number for number in (1, 2, 3) if f"Left {number} vs" in text] for text in texts]
    # Who wants nothing of it is not mailed an issue; a test to look at shows it all the same.
    assert held == [[1, 2, 3], [2], [1, 2, 3]]
    assert all("/go/" not in text for text in texts)
    with db.read() as session:
        newest, narrow, whole = test_sends.list_test_sends(session, session.scalars(select(Issue)).one())
        assert (whole.profile, narrow.profile, newest.outcome) == ("everything", "Gardening", "accepted")
        assert narrow.reply.startswith("250")
        assert narrow.requested_by == "the command line"

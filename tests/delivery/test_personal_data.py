"""Erasing a person also empties their letters and the replies about them."""

from sqlalchemy import insert, select
from tests.delivery import factories

from digest.audience import erase
from digest.audience.models import Subscriber, Subscription
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Delivery, Letter, Outcome
from digest.delivery.ledger.retention import erase_person, purge_erased
from digest.delivery.letters import outbox
from digest.signing import Signer

ECHO = "550 5.1.1 <reader1@example.org>: no such user"


def test_no_letter_and_no_reply_tells_of_somebody_who_was_erased(db: Database, signer: Signer) -> None:
    now = utcnow()
    with db.begin() as session:
        issue = factories.issue(session, readers=2)
        one, two = session.scalars(select(Subscriber.id).order_by(Subscriber.id))
        for number in (one, two):
            row = {"issue_id": issue.id, "subscriber_id": number, "outcome": Outcome.FAILED, "reply": ECHO}
            session.execute(insert(Delivery).values(reason="550 5.1.1", attempts=1, **row))
            outbox.enqueue_letter(
                session, "confirm", now=now, subscriber_id=number, facts={"network": "192.0.2.0/24"}
            )
        outbox.enqueue_letter(
            session, "test", now=now, address="Reader1@Example.org", facts={"issue_id": issue.id}
        )
        outbox.enqueue_letter(
            session, "test", now=now, address="editor@example.org", facts={"issue_id": issue.id}
        )
    with db.begin() as session:
        assert erase_person(session, signer, "reader1@example.org", now)
        assert not erase_person(session, signer, "reader1@example.org", now)
    with db.read() as session:
        told = select(Delivery.reply, Delivery.outcome).order_by(Delivery.subscriber_id)
        assert session.execute(told).all() == [(None, "failed"), (ECHO, "failed")]
        said = select(Letter.address, Letter.facts, Letter.outcome).order_by(Letter.id)
        (first, second, test, other) = session.execute(said).all()
        assert first == test == (None, "{}", "excluded")
        assert (second.outcome, other.address, other.outcome) == (None, "editor@example.org", None)
        assert "192.0.2.0" in second.facts


def test_a_sweep_after_the_purge_empties_the_letters_of_those_who_never_confirmed(db: Database) -> None:
    now = utcnow()
    with db.begin() as session:
        publication = factories.issue(session).publication
        asked = now - 2 * erase.UNCONFIRMED_FOR
        person = Subscriber(address="ada@example.org", address_key="ada@example.org", created_at=asked)
        session.add(person)
        session.flush()
        wish = {"subscriber_id": person.id, "publication_id": publication.id, "source": "form"}
        session.add(Subscription(status="pending", requested_at=asked, **wish))
        number = outbox.enqueue_letter(
            session, "confirm", now=asked, subscriber_id=person.id, facts={"network": "x"}
        )
        assert erase.purge(session, now) == 1
        purge_erased(session, now)
    with db.read() as session:
        assert session.get_one(Letter, number).facts == "{}"

"""Whatever readers, operators and files do in whatever order: nobody is reached who should not be."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy.orm import Session
from tests.audience.subscribers import (
    NOW,
    create_publication,
    is_suppressed,
    press_confirm,
    sign_up,
    subscriber_id_of,
)

from digest.audience import eligibility, erase, preferences, suppression, unsubscribe
from digest.audience.importing import chunks
from digest.audience.importing.reading.statuses import OPT_OUTS, ImportStatus
from digest.audience.importing.rows import RowChunk, ValidRow
from digest.audience.importing.store import ImportTerms
from digest.audience.models import Subscriber, SubscriberImport, Subscription
from digest.db import Database
from digest.errors import DigestError
from digest.signing import Signer

PEOPLE = st.sampled_from(["ada@example.org", "bob@example.org", "cleo@example.org"])
HOURS = st.integers(0, 24 * 40)


@dataclass
class Person:
    """The simple story of one address."""

    confirmed: bool = False
    out: bool = False  # left, and not come back
    from_file: bool = False  # a file said last whether they are in or out
    barred: str = ""  # why suppressed
    barred_by_file: bool = False
    paused_until: datetime = NOW
    asked: bool = False  # a letter went out since they last left or were barred
    ids: list[int] = field(default_factory=list)

    def reachable(self, now: datetime) -> bool:
        return self.confirmed and not self.out and not self.barred and self.paused_until <= now


class Lifecycle(RuleBasedStateMachine):
    db: ClassVar[Database]
    signer: ClassVar[Signer]
    runs: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        Lifecycle.runs += 1
        with self.db.begin() as session:
            # Everyone starts as a stranger: addresses belong to this run alone.
            self.prefix = f"run{Lifecycle.runs}."
            self.publication = create_publication(session, f"run{Lifecycle.runs}")
        self.people: dict[str, Person] = {}

    def person(self, who: str) -> tuple[str, Person]:
        address = self.prefix + who
        return address, self.people.setdefault(address, Person())

    def step(self, hours: int = 0) -> None:
        self.now += timedelta(hours=hours, seconds=1)

    @rule(who=PEOPLE, hours=HOURS)
    def sign_up(self, who: str, hours: int) -> None:
        self.step(hours)
        address, person = self.person(who)
        with self.db.begin() as session:
            done = sign_up(session, self.signer, self.publication, address, self.now)
        if person.barred == "complaint":
            assert done.letter is None
        if done.letter == "confirm":
            person.asked = True
        if done.subscriber_id:
            person.ids.append(done.subscriber_id)

    @rule(who=PEOPLE, newest=st.booleans())
    def press_the_button(self, who: str, newest: bool) -> None:
        self.step()
        _, person = self.person(who)
        if not person.ids:
            return
        subscriber_id = person.ids[-1 if newest else 0]
        try:
            with self.db.begin() as session:
                first = press_confirm(session, self.publication, subscriber_id, self.now).first
        except DigestError:
            return
        if first:
            assert person.asked
            person.confirmed, person.out, person.barred, person.paused_until = True, False, "", NOW
            person.from_file = person.barred_by_file = False
        person.asked = False

    @rule(who=PEOPLE)
    def leave(self, who: str) -> None:
        self.step()
        address, person = self.person(who)
        with self.db.begin() as session:
            number = subscriber_id_of(session, address)
            if number and unsubscribe.unsubscribe(
                session, self.publication.id, number, source="page", now=self.now
            ):
                person.out, person.asked, person.from_file = True, False, False

    @rule(who=PEOPLE, hours=HOURS)
    def take_it_back(self, who: str, hours: int) -> None:
        self.step(hours)
        address, person = self.person(who)
        with self.db.begin() as session:
            number = subscriber_id_of(session, address)
            if number and unsubscribe.resubscribe(
                session, self.publication.id, number, source="page", now=self.now
            ):
                assert person.out
                assert not person.barred
                person.out = person.from_file = False
                person.asked = True  # a pending sign-up is pending again

    @rule(who=PEOPLE, weeks=st.integers(1, 52))
    def pause(self, who: str, weeks: int) -> None:
        self.step()
        address, person = self.person(who)
        with self.db.begin() as session:
            number = subscriber_id_of(session, address) or 0
            until = preferences.pause_weeks(weeks, self.now)
            try:
                preferences.pause(session, self.publication.id, number, until=until, now=self.now)
            except DigestError:
                return
        person.paused_until = until

    @rule(who=PEOPLE)
    def resume(self, who: str) -> None:
        self.step()
        address, person = self.person(who)
        with self.db.begin() as session:
            try:
                preferences.resume(
                    session, self.publication.id, subscriber_id_of(session, address) or 0, now=self.now
                )
            except DigestError:
                return
        person.paused_until = NOW

    @rule(who=PEOPLE, reason=st.sampled_from(["bounce", "request", "complaint"]))
    def suppress(self, who: str, reason: str) -> None:
        self.step()
        address, person = self.person(who)
        with self.db.begin() as session:
            suppression.suppress(session, self.signer, address, reason, self.now)
        stays = person.barred == "complaint" and not person.barred_by_file
        person.barred, person.barred_by_file, person.asked = "complaint" if stays else reason, False, False

    @rule(who=PEOPLE)
    def erase(self, who: str) -> None:
        self.step()
        address, person = self.person(who)
        with self.db.begin() as session:
            erase.erase(session, self.signer, address, self.now)
        self.people[address] = Person(barred=person.barred or "erased", ids=person.ids)

    @rule(who=PEOPLE, confirmed=st.booleans(), status=st.sampled_from(ImportStatus))
    def import_a_file(self, who: str, confirmed: bool, status: ImportStatus) -> None:
        """Every import is of another file, which speaks of every opt-out."""
        self.step()
        address, person = self.person(who)
        chunk = RowChunk(1, {address: ValidRow(2, address, address, status)})
        with self.db.begin() as session:
            known = subscriber_id_of(session, address) is not None
            chunks.import_chunk(session, self.signer, chunk, self.terms(session, confirmed))
            number = subscriber_id_of(session, address)
        if number:
            person.ids.append(number)
        if self.stays_barred(person, status):
            return
        if status in {ImportStatus.BOUNCED, ImportStatus.COMPLAINED}:
            if person.from_file or not (person.confirmed or person.out):
                person.barred = "complaint" if status == ImportStatus.COMPLAINED else "bounce"
                person.barred_by_file, person.asked = True, False
        elif status in {ImportStatus.UNSUBSCRIBED, ImportStatus.NOT_SUBSCRIBED}:
            self.import_opt_out(person, status, known)
        elif not person.confirmed or person.out:
            self.import_reader(person, status, confirmed, known)

    def import_reader(self, person: Person, status: ImportStatus, confirmed: bool, known: bool) -> None:
        if person.out and not (person.from_file and status == ImportStatus.SUBSCRIBED):
            return
        person.from_file = person.from_file or confirmed or person.out or not known
        person.confirmed, person.asked, person.out = confirmed, not confirmed, False

    def terms(self, session: Session, confirmed: bool) -> ImportTerms:
        row = SubscriberImport(
            publication_id=self.publication.id, file_name="f", sha256="", source="why", confirmed=confirmed,
            started_at=self.now, counts="{}",
        )  # fmt: skip
        session.add(row)
        session.flush()
        return ImportTerms(
            self.publication.id, row.id, self.now, "why we may", "a file", confirmed, speaks_of=OPT_OUTS
        )

    def stays_barred(self, person: Person, status: ImportStatus) -> bool:
        can_be_corrected = person.barred_by_file and person.barred in {"bounce", "complaint"}
        if person.barred and status == ImportStatus.SUBSCRIBED and can_be_corrected:
            person.barred, person.barred_by_file = "", False
            person.asked = not person.confirmed and not person.out
        elif person.barred and status == ImportStatus.COMPLAINED:
            person.barred = "complaint"
        return bool(person.barred)

    def import_opt_out(self, person: Person, status: ImportStatus, known: bool) -> None:
        is_pending = known and not person.confirmed and not person.out
        if person.out or (person.confirmed and not person.from_file) or (is_pending and not person.from_file):
            return
        if status == ImportStatus.NOT_SUBSCRIBED and not person.confirmed:
            return
        person.out, person.from_file, person.asked = True, True, False

    @rule(days=st.integers(1, 60))
    def purge(self, days: int) -> None:
        self.step(24 * days)
        with self.db.begin() as session:
            erase.purge(session, self.now)
            for address, person in self.people.items():
                if not subscriber_id_of(session, address) and not person.barred:
                    self.people[address] = Person(ids=person.ids)

    @invariant()
    def nobody_is_reached_who_should_not_be(self) -> None:
        with self.db.read() as session:
            rows = session.execute(eligibility.audience(self.publication.id, self.now))
            numbers = {number for number, why_not in rows if why_not is None}
            reached = {address for address in self.people if subscriber_id_of(session, address) in numbers}
            assert len(reached) == len(numbers)
            again = session.execute(eligibility.eligible_now(self.publication.id, self.now, sorted(numbers)))
            assert {number for number, why_not in again if why_not is None} == numbers
        assert reached == {address for address, person in self.people.items() if person.reachable(self.now)}

    @invariant()
    def a_mark_and_a_hash_go_together(self) -> None:
        with self.db.read() as session:
            for address, person in self.people.items():
                assert is_suppressed(session, self.signer, address) == bool(person.barred)
                row = session.get(Subscriber, subscriber_id_of(session, address) or 0)
                if row is not None:
                    assert (row.suppressed_at is not None) == bool(person.barred)
                    assert session.get(Subscription, (row.id, self.publication.id)) is not None


@pytest.mark.timeout(300)
def test_no_sequence_of_actions_emails_anyone_who_should_not_get_it(db: Database, signer: Signer) -> None:
    Lifecycle.db, Lifecycle.signer = db, signer
    examples = (
        8 if db.is_client_server else 25
    )  # the statements are the same ones, and the rules are tested on both
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

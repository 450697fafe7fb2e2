"""The import rule: an opt-out wins, a later file corrects an earlier one, and no file changes what a person did here."""

from typing import Any

import pytest
from sqlalchemy import event, select
from tests.audience.import_files import Write, import_path, last_import, undo_import
from tests.audience.subscribers import (
    DAY,
    HOUR,
    NOW,
    create_publication,
    create_reader,
    is_suppressed,
    press_confirm,
    reachable_ids,
    sign_up,
    subscriber_id_of,
)

from digest.audience import consent, erase, export, suppression, topics, unsubscribe
from digest.audience.importing import chunks, imports, rows, tag_topics, undo
from digest.audience.importing.reading.survey import UnclearColumns
from digest.audience.models import ConsentEvent, Subscriber
from digest.db import Database
from digest.errors import BadInput, NotAllowed, NotFound
from digest.signing import Signer


def test_a_corrected_file_revises_what_an_earlier_file_said(
    db: Database, signer: Signer, file: Write
) -> None:
    wrong = "email,unsubscribed,bounced,complained\nleft@example.org,1,,\nbounced@example.org,,1,\nspam@example.org,,,1\n"
    with db.begin() as session:
        publication = create_publication(session)
        assert import_path(session, signer, publication, file(wrong)).added == 0
        right = wrong.replace(",1", ",0")
        done = import_path(session, signer, publication, file(right), hours=2)
        assert (done.revised, done.added) == (3, 0)
        assert len(reachable_ids(session, publication, NOW + DAY)) == 3
        assert import_path(session, signer, publication, file(wrong), hours=3).rows == 3
        assert reachable_ids(session, publication, NOW + DAY) == set()


def test_a_file_without_a_status_resubscribes_nobody(db: Database, signer: Signer, file: Write) -> None:
    with db.begin() as session:
        publication = create_publication(session)
        import_path(
            session,
            signer,
            publication,
            file("email,unsubscribed,bounced\na@example.org,1,\nb@example.org,,1\n"),
        )
        for text in ("email\n{}\n", "email,complained\n{},0\n"):
            for address in ("a@example.org", "b@example.org"):
                import_path(session, signer, publication, file(text.format(address)), hours=2)
        assert (
            import_path(
                session, signer, publication, file("email,bounced\na@example.org,0\n"), hours=2
            ).unsubscribed
            == 1
        )
        assert reachable_ids(session, publication, NOW + DAY) == set()


def test_no_file_overrides_what_a_person_did_here(db: Database, signer: Signer, file: Write) -> None:
    with db.begin() as session:
        publication = create_publication(session)
        here = create_reader(session, signer, publication, "here@example.org")
        left = create_reader(session, signer, publication, "left@example.org")
        unsubscribe.unsubscribe(session, publication.id, left, source="page", now=NOW)
        spam = create_reader(session, signer, publication, "spam@example.org")
        suppression.suppress_subscriber(session, signer, spam, "complaint", NOW)
        for word in ("unsubscribed", "bounced", "complained"):
            done = import_path(session, signer, publication, file(f"email,status\nhere@example.org,{word}\n"))
            assert done.kept == 1
        import_path(
            session,
            signer,
            publication,
            file("email,status\nleft@example.org,active\nspam@example.org,active\n"),
            hours=2,
        )
        assert reachable_ids(session, publication, NOW + DAY) == {here}
        assert not is_suppressed(session, signer, "here@example.org")


def test_a_status_set_by_a_file_is_the_reader_s_own_once_they_act(
    db: Database, signer: Signer, file: Write
) -> None:
    with db.begin() as session:
        publication = create_publication(session)
        import_path(
            session,
            signer,
            publication,
            file("email,status\nback@example.org,left\ngone@example.org,active\nbad@example.org,bounced\n"),
        )
        back = sign_up(session, signer, publication, "back@example.org", NOW + 2 * HOUR).subscriber_id
        press_confirm(session, publication, back, NOW + 3 * HOUR)
        gone = subscriber_id_of(session, "gone@example.org") or 0
        unsubscribe.unsubscribe(session, publication.id, gone, source="page", now=NOW + 3 * HOUR)
        erase.erase(session, signer, "bad@example.org", NOW + 3 * HOUR)
        text = "email,status\nback@example.org,left\ngone@example.org,active\nbad@example.org,active\n"
        import_path(session, signer, publication, file(text), hours=4)
        assert reachable_ids(session, publication, NOW + DAY) == {back}


def test_an_unclear_status_stops_the_import_until_a_column_is_chosen(file: Write) -> None:
    path = file("email,Status,Wunsch\na@example.org,VIP,kein Kontakt\nb@example.org,active,\n")
    with pytest.raises(UnclearColumns, match="“Status” says “VIP”"):
        rows.open_file(path)
    for named, statuses in (
        ("Status", ["NOT_SUBSCRIBED", "SUBSCRIBED"]),
        ("none", ["UNSTATED", "SUBSCRIBED"]),
    ):
        (chunk,) = rows.open_file(path, status=named).chunks()
        assert [row.status.name for row in chunk.rows.values()] == statuses


@pytest.mark.parametrize(
    "text",
    [
        "email,Not unsubscribed\na@example.org,yes\n",
        "email,Unsubscribed\na@example.org,maybe\n",
        "email,Opt-in / Opt-out\na@example.org,perhaps\n",
        "email,Subscription status\na@example.org,3\n",
        "email,Zustand\na@example.org,gekündigt\nb@example.org,unklar\n",
        "email,kind\na@example.org,removed\nb@example.org,gold\n",
    ],
)
def test_a_possible_opt_out_column_is_asked_about(file: Write, text: str) -> None:
    with pytest.raises(UnclearColumns):
        rows.open_file(file(text))


def test_a_file_named_like_a_list_of_unsubscribes_is_asked_about(file: Write) -> None:
    path = file("a@example.org\n")
    with pytest.raises(UnclearColumns, match="called or headed like a list of those who unsubscribed"):
        rows.open_file(path, name="Unsubscribes 2026.csv")
    assert rows.open_file(path, name="Unsubscribes 2026.csv", status="none")


def test_the_original_consent_is_kept(db: Database, signer: Signer, file: Write) -> None:
    text = 'email,optin_time,optin_ip,signup source,tags\na@example.org,2024-03-04 10:00,203.0.113.77,Fair,"vip, b2b"\nb@example.org,,,,\n'
    with db.begin() as session:
        publication = create_publication(session)
        import_path(session, signer, publication, file(text))
        held = export.export_subscriber(session, "a@example.org")["consent"][0]
        assert held["original"] == {"date": "2024-03-04 10:00", "source": "Fair", "tags": ["vip", "b2b"]}
        assert held["network"] == "203.0.113.0/24"
        assert export.export_subscriber(session, "b@example.org")["consent"][0]["original"] is None
        erase.erase(session, signer, "a@example.org", NOW + DAY)
        assert (
            session.scalars(select(ConsentEvent.original).where(ConsentEvent.original.is_not(None))).all()
            == []
        )


def test_an_undo_spares_those_who_acted_since(db: Database, signer: Signer, file: Write) -> None:
    with db.begin() as session:
        publication = create_publication(session)
        here = create_reader(session, signer, publication, "here@example.org")
        waiting = sign_up(session, signer, publication, "waiting@example.org").subscriber_id
        first = "email,status\nold@example.org,active\nout@example.org,left\nbounced@example.org,bounced\n"
        import_path(session, signer, publication, file(first))
        old = subscriber_id_of(session, "old@example.org")
        text = (
            "email,status\nnew@example.org,active\ngone@example.org,active\nwaiting@example.org,active\n"
            "old@example.org,left\nout@example.org,active\nbounced@example.org,active\nspam@example.org,complained\n"
            "here@example.org,active\n"
        )
        import_path(session, signer, publication, file(text), hours=2)
        gone = subscriber_id_of(session, "gone@example.org") or 0
        unsubscribe.unsubscribe(session, publication.id, gone, source="page", now=NOW + 3 * HOUR)
        done = undo_import(session, signer, publication, last_import(session, publication))
        assert (done.removed, done.restored, done.kept, done.unsubscribed) == (2, 3, 1, 0)
        assert reachable_ids(session, publication, NOW + DAY) == {here, old}
        assert subscriber_id_of(session, "new@example.org") is None
        assert not is_suppressed(session, signer, "spam@example.org")
        assert is_suppressed(session, signer, "bounced@example.org")
        assert subscriber_id_of(session, "gone@example.org") == gone
        press_confirm(session, publication, waiting, NOW + DAY)
        with pytest.raises(NotAllowed, match="already been undone"):
            undo_import(session, signer, publication, last_import(session, publication))
        with pytest.raises(NotFound):
            undo_import(session, signer, publication, 999)


def test_the_same_file_can_be_imported_again_after_an_undo(db: Database, signer: Signer, file: Write) -> None:
    path = "email,status\na@example.org,active\n"
    with db.begin() as session:
        publication = create_publication(session)
        import_path(session, signer, publication, file(path))
        undo_import(session, signer, publication, last_import(session, publication))
        assert import_path(session, signer, publication, file(path), hours=10).added == 1
        assert len(reachable_ids(session, publication, NOW + DAY)) == 1
        kinds = session.scalars(select(ConsentEvent.kind).order_by(ConsentEvent.id)).all()
        assert kinds == [consent.Kind.IMPORTED, consent.Kind.IMPORT_UNDONE, consent.Kind.IMPORTED]
        assert session.scalars(select(Subscriber.address).order_by(Subscriber.id)).all() == [
            None,
            "a@example.org",
        ]


def test_tags_become_topics_of_the_same_name_or_as_mapped(db: Database, signer: Signer, file: Write) -> None:
    mapping = tag_topics.parse_mapping(["b2b = AI coding", "video="], ["AI coding", "Video", "Writing"])
    with pytest.raises(BadInput, match="there is no topic 'Cooking'"):
        tag_topics.parse_mapping(["x=Cooking"], ["Video"])
    path = file('email,tags\na@example.org,"B2B, writing, vip"\nb@example.org,Video\nc@example.org,\n')
    with db.begin() as session:
        publication = create_publication(session)
        opened = rows.open_file(path)
        terms = imports.begin(
            session,
            opened,
            publication_id=publication.id,
            source="why",
            confirmed=True,
            now=NOW,
            tag_topics=mapping,
        )
        for chunk in opened.chunks():
            done = chunks.import_chunk(session, signer, chunk, terms)
        assert done.topics == {"AI coding": 1, "Writing": 1}
        for address, chosen in {"a": ("AI coding", "Writing"), "b": (), "c": ()}.items():
            number = subscriber_id_of(session, f"{address}@example.org") or 0
            assert topics.chosen_topics(session, publication.id, number) == chosen


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Email;Имя;Статус\na@example.org;Иван;Отписан\n", "cp1251"),
        ("メールアドレス,配信停止\na@example.org,はい\n", "shift_jis"),
        ("邮箱;是否退订\na@example.org;是\n", "gb18030"),
        ("Email;Κατάσταση\na@example.org;Διαγραμμένος\n", "cp1253"),
    ],
)
def test_a_file_in_an_unsupported_encoding_is_refused(file: Write, text: str, encoding: str) -> None:
    with pytest.raises(BadInput, match="save it as UTF-8"):
        rows.open_file(file(text.encode(encoding)))


@pytest.mark.parametrize(
    "text",
    [
        "email,consent\na@example.org,2021-01-01\nb@example.org,zurückgezogen 2021-01-01\n",
        "email,status\na@example.org,subscribed until 2021-01-01\nb@example.org,subscribed\n",
        "email,status\na@example.org,subscribed no more\nb@example.org,subscribed\n",
        "user_email,user_status\na@example.org,0\nb@example.org,0\n",
        "email,Status since\na@example.org,ok\nb@example.org,perhaps\n",
    ],
)
def test_ambiguous_status_words_stop_the_import(file: Write, text: str) -> None:
    with pytest.raises(UnclearColumns):
        rows.open_file(file(text))


def test_the_original_consent_is_looked_up_by_index(sqlite: Database, signer: Signer, file: Write) -> None:
    statements: list[tuple[str, Any]] = []
    event.listen(sqlite.engine, "before_cursor_execute", lambda *call: statements.append((call[2], call[3])))
    with sqlite.begin() as session:
        publication = create_publication(session)
        import_path(session, signer, publication, file("email,opt in time\na@example.org,2024-01-01\n"))
        insert, bound = next(call for call in statements if "consent_event" in call[0] and "proof" in call[0])
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {insert}", bound).all()
    assert any("SEARCH proof" in step[3] for step in plan)


def test_an_undo_looks_up_events_by_person(sqlite: Database) -> None:
    statements: list[tuple[str, Any]] = []
    event.listen(sqlite.engine, "before_cursor_execute", lambda *call: statements.append((call[2], call[3])))
    with sqlite.begin() as session:
        session.execute(undo._changes(1, 0, select(Subscriber.id)))
        changes, bound = statements[-1]
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {changes}", bound).all()
    by_person = [step[3] for step in plan if "consent_event_2" in step[3]]
    assert len(by_person) == 2
    assert all("ix_consent_event_subscriber_id" in step for step in by_person)

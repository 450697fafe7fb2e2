"""Adding readers at the desk: one by one, or from a file that is previewed, imported in steps, and can be undone."""

import csv
import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from tests.web.desk.clients import get, post, signed_in
from tests.web.factories import Site, create_comparison
from tests.web.subscribers import create_subscriber
from werkzeug.test import TestResponse

from digest.access.models import AuditLogEntry
from digest.audience import eligibility, unsubscribe
from digest.audience.importing import rows, uploads
from digest.audience.importing.rows import SubscriberFile
from digest.audience.models import Subscriber, SubscriberImport, SubscriberUpload, Subscription, TopicChoice
from digest.catalog import topics
from digest.db import utcnow
from digest.delivery.ledger.models import Letter
from digest.delivery.letters.subscriber_imports import run_due_imports
from digest.publications import publications

PAGE = "/desk/subscribers/imports"


@pytest.fixture
def editor(desk: Site) -> FlaskClient:
    return signed_in(desk)


def upload(editor: FlaskClient, text: str, *, name: str = "readers.csv", **fields: str) -> TestResponse:
    fields = {"consent": "confirmed", "source": "our old tool"} | fields
    file = (io.BytesIO(text.encode()), name)
    return post(editor, PAGE, file=file, **fields)


def work(desk: Site, steps: int = 100) -> None:
    """What the worker's task does, for so many steps."""

    def run_in_steps(step: Callable[[Session], bool]) -> bool:
        for _ in range(steps):
            with desk.db.begin() as session:
                if step(session):
                    return True
        return False

    run_due_imports(desk.db, desk.signer, run_in_steps)


def reachable(desk: Site) -> set[str | None]:
    with desk.db.read() as session:
        found = session.execute(eligibility.audience(publications.find(session).id, utcnow()))
        return {session.get_one(Subscriber, number).address for number, why in found if why is None}


def logged(desk: Site) -> list[str]:
    with desk.db.read() as session:
        kinds = AuditLogEntry.kind == "subscriber"
        return list(session.scalars(select(AuditLogEntry.verb).where(kinds).order_by(AuditLogEntry.id)))


def test_a_file_is_previewed_and_then_imported_by_the_worker(desk: Site, editor: FlaskClient) -> None:
    page = upload(
        editor, "email,name,Unsubscribed\nada@example.org,Ada,no\nbob@example.org,Bob,yes\nbad,Eve,no\n"
    )
    assert "Import 1 reader?" in page.text
    assert "Unsubscribed: yes" in page.text
    assert reachable(desk) == set()
    number = page.request.path
    rejected = get(editor, f"{number}/rejected.csv")
    assert next(row["reason"] for row in csv.DictReader(io.StringIO(rejected))) == "Unsubscribed: yes"
    begun = post(editor, f"{number}/import")
    assert "Importing…" in begun.text
    work(desk)
    assert reachable(desk) == {"ada@example.org"}
    assert "Import finished" in get(editor, number)
    assert logged(desk) == ["started an import", "imported"]
    with desk.db.read() as session:
        assert session.scalars(select(SubscriberUpload.data)).one() is None


def test_a_status_that_is_not_understood_is_asked_about(desk: Site, editor: FlaskClient) -> None:
    page = upload(editor, "email,Status\nada@example.org,VIP\nbob@example.org,active\n")
    assert "Who is subscribed?" in page.text
    assert "Import</button>" not in page.text
    path = page.request.path
    post(editor, f"{path}/import")
    work(desk)
    assert "Import stopped" in get(editor, path)
    path = upload(editor, "email,Status\nada@example.org,VIP\nbob@example.org,active\n").request.path
    chosen = post(editor, f"{path}/columns", status_column="Status")
    assert "Import 1 reader?" in chosen.text
    assert "Import 2 readers?" in post(editor, f"{path}/columns", status_column="none").text


def test_an_interrupted_import_continues_and_counts_each_row_once(
    desk: Site, editor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK", 2)
    text = "email\n" + "".join(f"r{n}@example.org\n" for n in range(5))
    path = upload(editor, text).request.path
    post(editor, f"{path}/import")
    work(desk, steps=1)
    assert len(reachable(desk)) == 2
    assert "2 rows imported" in get(editor, path)
    work(desk)
    assert len(reachable(desk)) == 5
    with desk.db.read() as session:
        assert session.scalars(select(SubscriberImport.counts)).one().startswith('{"rows": 5, "added": 5')


def test_an_import_is_listed_and_undone_by_the_worker(desk: Site, editor: FlaskClient) -> None:
    path = upload(editor, "email\nada@example.org\nbob@example.org\n").request.path
    post(editor, f"{path}/import")
    work(desk)
    with desk.db.begin() as session:
        bob = session.scalars(select(Subscriber).where(Subscriber.address == "bob@example.org")).one()
        unsubscribe.unsubscribe(session, publications.find(session).id, bob.id, source="page", now=utcnow())
    undo = re.search(r'href="([^"]+/undo)"', get(editor, PAGE))
    assert undo
    assert "Undo import 1?" in get(editor, undo[1])
    post(editor, undo[1])
    work(desk)
    page = get(editor, PAGE)
    assert "1 removed" in page
    assert "1 kept" in page
    assert reachable(desk) == set()
    assert logged(desk)[-1] == "undid an import"
    assert "already been undone" in post(editor, undo[1]).text


def test_a_file_that_is_never_imported_is_deleted(desk: Site, editor: FlaskClient) -> None:
    path = upload(editor, "email\nada@example.org\n").request.path
    assert "Nothing was imported" in post(editor, f"{path}/discard").text
    assert get(editor, path, status=404)
    upload(editor, "email\nada@example.org\n")
    with desk.db.begin() as session:
        uploads.delete_old(session, utcnow() + 2 * uploads.KEPT_FOR)
        assert session.scalars(select(SubscriberUpload)).all() == []


def test_one_reader_is_added_and_asked_to_confirm_unless_they_have_consented(
    desk: Site, editor: FlaskClient
) -> None:
    page = post(editor, "/desk/subscribers/add", address="Ada <ada@example.org>,", consent="invite")
    assert "They will get issues once they confirm." in page.text
    assert (
        "Reader added."
        in post(
            editor,
            "/desk/subscribers/add",
            address="bob@example.org",
            consent="confirmed",
            source="asked at the fair",
        ).text
    )
    assert reachable(desk) == {"bob@example.org"}
    with desk.db.read() as session:
        assert session.scalars(select(Letter.kind).where(Letter.subscriber_id.is_not(None))).all() == [
            "confirm"
        ]
    refused = post(editor, "/desk/subscribers/add", address="no address", consent="invite")
    assert 'value="no address"' in refused.text
    assert logged(desk) == ["added", "added"]


def test_an_unsubscribed_reader_cannot_be_added_by_hand(desk: Site, editor: FlaskClient) -> None:
    with desk.db.begin() as session:
        create_subscriber(session, publications.find(session).id, "gone@example.org", "unsubscribed")
    page = post(
        editor,
        "/desk/subscribers/add",
        address="gone@example.org",
        consent="confirmed",
        source="they said so",
    )
    assert "Only they can resubscribe" in page.text
    assert reachable(desk) == set()
    with desk.db.read() as session:
        assert session.scalars(select(SubscriberImport)).all() == []
        assert session.scalars(select(Subscription.import_id)).all() == [None]


def test_all_readers_are_exported_and_the_log_says_so(desk: Site, editor: FlaskClient) -> None:
    with desk.db.begin() as session:
        create_subscriber(session, publications.find(session).id, "ada@example.org", "active")
    exported = post(editor, "/desk/subscribers/export")
    assert [row["address"] for row in csv.DictReader(io.StringIO(exported.text))] == ["ada@example.org"]
    assert logged(desk) == ["exported"]
    viewer = signed_in(desk, "viewer")
    assert post(viewer, "/desk/subscribers/export").status_code == 403
    assert get(viewer, PAGE, status=403)


def test_the_preview_counts_the_topics_that_the_import_will_choose(desk: Site, editor: FlaskClient) -> None:
    with desk.db.begin() as session:
        if not (offered := topics.list_topics(session)):
            create_comparison(session, 0, 1)
            offered = topics.list_topics(session)
    page = upload(editor, f"email,tags\nada@example.org,{offered[0]}\nbob@example.org,other\n")
    assert f"Topics chosen by tag: {offered[0]} 1" in page.text
    post(editor, f"{page.request.path}/import")
    work(desk)
    with desk.db.read() as session:
        assert session.scalars(select(TopicChoice.topic)).all() == [offered[0]]


def test_the_editor_says_which_tag_is_which_topic(desk: Site, editor: FlaskClient) -> None:
    page = upload(
        editor, 'email,tags\nada@example.org,"llm, models"\nbob@example.org,llm\nc@example.org,Writing\n'
    )
    path = page.request.path
    assert re.findall(r'<label for="topic-\d+">(\w+) ', page.text) == ["llm", "models", "Writing"]
    assert "Topics chosen by tag: Models 1, Writing 1" in page.text
    chosen = post(
        editor, f"{path}/topics", page=path, tag=["llm", "models", "Writing"], topic=["Models", "", ""]
    )
    assert "Topics chosen by tag: Models 2" in chosen.text
    assert "Writing 1" not in chosen.text
    refused = post(editor, f"{path}/topics", page=path, tag="llm", topic="Gardening")
    assert "no topic" in refused.text
    post(editor, f"{path}/import", page=path)
    work(desk)
    with desk.db.read() as session:
        rows = select(TopicChoice.topic).join(Subscriber).order_by(Subscriber.id)
        assert session.scalars(rows).all() == ["Models", "Models"]
    assert logged(desk) == ["started an import", "chose topics", "imported"]
    assert "being imported already" in post(editor, f"{path}/topics", page=path, tag="llm", topic="").text


def test_a_preview_is_read_from_the_file_once(
    desk: Site, editor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = upload(editor, "email,Status\nada@example.org,active\nbob@example.org,active\n").request.path
    opened = list[int]()
    read = uploads.opened

    def count(kept: SubscriberUpload) -> AbstractContextManager[SubscriberFile]:
        opened.append(kept.id)
        return read(kept)

    monkeypatch.setattr(uploads, "opened", count)
    for _ in range(3):
        assert "Import 2 readers?" in get(editor, path)
    assert opened == []
    with desk.db.begin() as session:
        create_subscriber(session, publications.find(session).id, "ada@example.org", "active")
    assert "Import 1 reader?" in post(editor, f"{path}/columns", page=path).text
    assert len(opened) == 1
    with desk.db.begin() as session:  # as if the process had ended before it was stored
        session.execute(update(SubscriberUpload).values(preview=None))
    assert "Import 1 reader?" in get(editor, path)

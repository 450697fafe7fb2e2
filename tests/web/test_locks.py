"""Another process holds the database's lock: a page says so soon, and a mail client's unsubscribe waits."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text
from tests.web.conftest import fill
from tests.web.desk.clients import post
from tests.web.factories import Site, make_site
from tests.web.subscribers import create_subscriber

from digest.audience import tokens
from digest.audience.models import Subscription
from digest.db import Database, utcnow
from digest.editorial import users
from digest.editorial.models import Role


@pytest.fixture
def shop(sqlite: Database, tmp_path: Path) -> Site:
    made = fill(make_site(sqlite.with_lock_timeout(0.1), tmp_path))
    with made.db.begin() as session:
        create_subscriber(session, 1, "ada@example.org")
    return made


def test_a_page_says_that_it_could_not_save_and_when_to_try_again(shop: Site, sqlite: Database) -> None:
    path = f"/preferences/{tokens.preferences_token(shop.signer, 1, 1)}"
    with sqlite.begin() as session:
        session.execute(text("select 1"))
        page = shop.app.test_client().post(path, data={"action": "pause", "weeks": "2"})
        assert shop.app.test_client().get(path).status_code == 200  # reading waits for nobody
    assert (page.status_code, page.headers["Retry-After"]) == (503, "30")
    assert "Please try again" in page.text
    assert shop.app.test_client().post(path, data={"action": "pause", "weeks": "2"}).status_code == 200


def test_a_locked_database_does_not_tell_whose_address_belongs_to_a_user(
    shop: Site, sqlite: Database
) -> None:
    with sqlite.begin() as session:
        users.invite_user(session, "owner@example.org", Role.OWNER, utcnow())
    with sqlite.begin() as session:
        session.execute(text("select 1"))
        answers = [
            post(shop.app.test_client(), "/desk/sign-in", address=address)
            for address in ("owner@example.org", "nobody@example.org")
        ]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].text == answers[1].text


def test_a_mail_client_s_unsubscribe_waits_until_the_lock_is_free(shop: Site, sqlite: Database) -> None:
    path = f"/unsubscribe/{tokens.unsubscribe_token(shop.signer, 1, 1, 1)}"
    answers: list[int] = []

    def unsubscribe() -> None:
        form = {"List-Unsubscribe": "One-Click"}
        answers.append(shop.app.test_client().post(path, data=form).status_code)

    client = threading.Thread(target=unsubscribe)
    with sqlite.begin() as session:
        session.execute(text("select 1"))
        client.start()
        client.join(0.4)
        assert answers == []
    client.join(60)
    assert answers == [200]
    with sqlite.read() as session:
        assert session.scalars(select(Subscription.status)).one() == "unsubscribed"

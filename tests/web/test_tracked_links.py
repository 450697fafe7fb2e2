"""Tracked links: they redirect, and count clicks."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError
from tests.tracking.click_tokens import click_token
from tests.web.conftest import fill
from tests.web.factories import BASE, Site, make_site
from tests.web.subscribers import create_subscriber
from werkzeug.test import TestResponse

from digest.db import Database
from digest.tracking.models import Click
from digest.web.public import tracked_links

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0", "Accept-Language": "de,en;q=0.5"}


@pytest.fixture
def url(shop: Site) -> str:
    with shop.db.begin() as session:
        subscriber_id = create_subscriber(session, 1, "ada@example.org")
    return f"/go/{click_token(shop.signer, 1, 0, subscriber_id)}"


def clicks(shop: Site) -> list[bool]:
    with shop.db.read() as session:
        return list(session.scalars(select(Click.is_bot).order_by(Click.id)))


def follow(shop: Site, url: str, headers: Mapping[str, str] = BROWSER) -> TestResponse:
    """Follow a link until its request has ended: the click is counted after the response is sent."""
    answer = shop.app.test_client().get(url, headers=headers)
    answer.close()
    return answer


def test_a_click_redirects_and_is_counted(shop: Site, url: str) -> None:
    answer = follow(shop, url)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{BASE}/comparisons/parsnip-vs-lantern-db"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in answer.headers
    assert clicks(shop) == [False]


def test_a_head_request_redirects_and_is_not_counted(shop: Site, url: str) -> None:
    assert shop.app.test_client().head(url).status_code == 302
    assert clicks(shop) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"User-Agent": BROWSER["User-Agent"]},
        {"Accept-Language": "en"},
        BROWSER | {"User-Agent": "Barracuda Sentinel (EE)"},
        BROWSER | {"Sec-Purpose": "prefetch;prerender"},
    ],
)
def test_a_request_that_identifies_itself_as_a_bot_is_recorded_as_one(
    shop: Site, url: str, headers: dict[str, str]
) -> None:
    follow(shop, url, {"User-Agent": ""} | headers)
    assert clicks(shop) == [True]


def test_the_redirect_works_even_if_the_click_cannot_be_counted(shop: Site, url: str) -> None:
    def broken(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("INSERT INTO click"):
            raise OperationalError(statement, None, Exception("disk full"))

    event.listen(shop.db.engine, "before_cursor_execute", broken)
    assert follow(shop, url).status_code == 302
    event.remove(shop.db.engine, "before_cursor_execute", broken)
    assert clicks(shop) == []


def test_a_link_from_a_test_mail_redirects_and_is_not_counted(shop: Site) -> None:
    assert follow(shop, f"/go/{click_token(shop.signer, 1, 0, 0)}").status_code == 302
    assert clicks(shop) == []


def test_a_url_in_the_query_is_never_followed(shop: Site, url: str) -> None:
    answer = shop.app.test_client().get(
        url + "?url=https://evil.example/&next=//evil.example", headers=BROWSER
    )
    assert answer.headers["Location"].startswith(BASE)


def test_a_forged_or_unknown_link_is_not_found(shop: Site) -> None:
    client = shop.app.test_client()
    for token in ("x", click_token(shop.signer, 1, 999, 1), click_token(shop.signer, 77, 0, 1)):
        assert client.get(f"/go/{token}").status_code == 404


def test_the_link_of_an_erased_reader_still_redirects(shop: Site) -> None:
    answer = follow(shop, f"/go/{click_token(shop.signer, 1, 0, 987654)}")
    assert answer.status_code == 302
    with shop.db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM click")) == 0


def test_the_redirect_is_sent_before_the_click_is_counted(shop: Site, url: str) -> None:
    answer = shop.app.test_client().get(url, headers=BROWSER)
    assert answer.status_code == 302
    assert clicks(shop) == []
    answer.close()
    assert clicks(shop) == [False]


def test_counting_waits_only_briefly_for_a_locked_database(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_links, "LOCK_TIMEOUT_SECONDS", 0.2)
    shop = fill(make_site(sqlite, tmp_path))
    with shop.db.begin() as session:
        ada = create_subscriber(session, 1, "ada@example.org")
    url = f"/go/{click_token(shop.signer, 1, 0, ada)}"
    with shop.db.begin() as session:
        create_subscriber(session, 1, "bob@example.org")
        begun = time.monotonic()
        assert follow(shop, url).status_code == 302
        assert 0.15 < time.monotonic() - begun < 20
    assert clicks(shop) == []
    follow(shop, url)
    assert clicks(shop) == [False]
    with shop.db.begin() as session:  # the usual lock timeout is back for the next request
        assert session.connection().exec_driver_sql("pragma busy_timeout").scalar() == 30_000

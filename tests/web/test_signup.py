"""The front page and its sign-up form."""

import html
import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from tests.web.conftest import fill
from tests.web.factories import Site, create_publication, make_site
from tests.web.subscribers import create_subscriber

from digest.audience import signup
from digest.audience.models import ConsentEvent, Subscriber, Subscription, Wording
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Letter
from digest.publications import publications
from digest.web import request_limits
from digest.web.public import sign_up


def form(shop: Site, address: str, **more: str) -> dict[str, str]:
    """The form after it was open for a minute."""
    return {
        "address": address,
        "form": signup.form_token(shop.signer, utcnow() - timedelta(minutes=1)),
    } | more


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden fields of the form on a page."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


def letters(shop: Site) -> list[str]:
    with shop.db.read() as session:
        return list(session.scalars(select(Letter.kind).order_by(Letter.id)))


def test_a_sign_up_queues_one_letter_stores_the_consent_text_and_wakes_a_worker(shop: Site) -> None:
    page = shop.app.test_client().post("/subscribe", data=form(shop, "Ada@Example.org"))
    assert page.status_code == 200
    assert "Check your inbox" in page.text
    assert letters(shop) == ["confirm"]
    assert shop.nudges == ["letters"]
    with shop.db.read() as session:
        event = session.scalars(select(ConsentEvent)).one()
        words = session.get_one(Wording, event.wording_id).text
        assert event.network == "127.0.0.0/24"
    assert words in html.unescape(shop.app.test_client().get("/").text)


def test_the_response_is_the_same_for_every_address(shop: Site) -> None:
    with shop.db.begin() as session:
        create_subscriber(session, 1, "known@example.org")
        left = create_subscriber(session, 1, "left@example.org", status="unsubscribed")
        gone = create_subscriber(session, 1, "gone@example.org")
        session.get_one(Subscriber, gone).suppressed_at = utcnow()
        session.get_one(Subscriber, gone).suppressed_for = "complaint"
    assert left
    addresses = [
        "new@example.org",
        "known@example.org",
        "left@example.org",
        "gone@example.org",
        "new@example.org",
    ]
    client = shop.app.test_client()
    pages = [client.post("/subscribe", data=form(shop, address)) for address in addresses]
    assert {page.status_code for page in pages} == {200}
    assert len({page.text for page in pages}) == 1
    assert len({tuple(sorted(page.headers.keys())) for page in pages}) == 1


def test_an_api_client_signs_up_with_json(shop: Site) -> None:
    answer = shop.app.test_client().post("/subscribe", json={"address": "ada@example.org"})
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ok")
    assert letters(shop) == ["confirm"]
    with shop.db.read() as session:
        event = session.scalars(select(ConsentEvent)).one()
        assert (event.source, event.wording_id) == (
            "json",
            None,
        )  # the text that the client showed is unknown


def test_a_worker_is_woken_whether_or_not_there_is_a_letter(shop: Site) -> None:
    for _ in range(3):
        shop.app.test_client().post("/subscribe", data=form(shop, "ada@example.org"))
    assert letters(shop) == ["confirm"]
    assert shop.nudges == ["letters"] * 3


@pytest.mark.parametrize("body", [[], "text", {"address": 5}, {"address": ["a@example.org"]}, {}])
def test_invalid_json_is_refused_in_json(shop: Site, body: object) -> None:
    answer = shop.app.test_client().post("/subscribe", json=body)
    assert (answer.status_code, answer.get_json()["status"]) == (400, "error")
    assert letters(shop) == []


@pytest.mark.parametrize(
    "address", ["", "   ", "no at sign", "a@b", "x" * 300 + "@example.org", "abuse@example.org"]
)
def test_an_invalid_address_is_shown_again_with_the_reason_beside_the_field(shop: Site, address: str) -> None:
    page = shop.app.test_client().post("/subscribe", data=form(shop, address))
    assert page.status_code == 400
    assert 'aria-invalid="true"' in page.text
    assert 'aria-describedby="address-error ' in page.text
    assert 'id="address-error"' in page.text
    assert letters(shop) == []


def test_what_was_typed_is_kept_and_escaped(shop: Site) -> None:
    page = shop.app.test_client().post("/subscribe", data=form(shop, '"><script>alert(1)</script>'))
    assert "<script" not in page.text
    assert "&gt;&lt;script&gt;" in page.text


def test_a_likely_typo_is_asked_about_before_anything_is_sent(shop: Site) -> None:
    client = shop.app.test_client()
    sent = form(shop, "ada@gmial.com")
    page = client.post("/subscribe", data=sent)
    assert "Use <bdi>ada@gmail.com</bdi>" in page.text
    assert "Keep <bdi>ada@gmial.com</bdi>" in page.text
    assert letters(shop) == []
    fields = hidden_fields(page.text)
    assert fields == {"form": sent["form"], "keep": "ada@gmial.com"}
    assert "Check your inbox" in client.post("/subscribe", data=fields | {"address": "ada@gmail.com"}).text
    assert "Check your inbox" in client.post("/subscribe", data=fields | {"address": "ada@gmial.com"}).text
    assert letters(shop) == ["confirm"] * 2  # the address may be correct as typed


def test_a_typo_is_found_in_what_is_copied_along_with_an_address(shop: Site) -> None:
    page = shop.app.test_client().post("/subscribe", data=form(shop, " mailto:ada@gmial.com "))
    assert "Use <bdi>ada@gmail.com</bdi>" in page.text
    kept = hidden_fields(page.text)
    accepted = shop.app.test_client().post("/subscribe", data=kept | {"address": kept["keep"]})
    assert "Check your inbox" in accepted.text


def test_a_corrected_form_is_not_taken_for_a_robot_s(shop: Site) -> None:
    client = shop.app.test_client()
    sent = form(shop, "ada@example")
    page = client.post("/subscribe", data=sent)
    assert page.status_code == 400
    again = hidden_fields(page.text) | {"address": "ada@example.org"}
    assert client.post("/subscribe", data=again).status_code == 200
    assert letters(shop) == ["confirm"]


def test_a_form_that_was_open_for_a_day_is_sent_again_with_one_press(shop: Site) -> None:
    client = shop.app.test_client()
    old = {"address": "ada@example.org", "form": signup.form_token(shop.signer, utcnow() - timedelta(days=2))}
    page = client.post("/subscribe", data=old)
    assert page.status_code == 400
    assert 'value="ada@example.org"' in page.text
    again = hidden_fields(page.text) | {"address": "ada@example.org"}
    assert client.post("/subscribe", data=again).status_code == 200


def test_the_form_has_a_page_of_its_own(shop: Site) -> None:
    with shop.db.begin() as session:
        create_publication(session, name="Second Helping")
    for path, name in (("/subscribe", "Ship or Skip"), ("/p/second-helping/subscribe", "Second Helping")):
        page = shop.app.test_client().get(path)
        assert page.status_code == 200
        assert f"Subscribe to {name}" in page.text
        assert f'action="{path}"' in page.text
        assert 'aria-invalid="true"' not in page.text


def test_a_sign_up_waits_for_no_lock_for_long_and_loses_nothing(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = fill(make_site(sqlite, tmp_path))
    monkeypatch.setattr(sign_up, "LOCK_TIMEOUT_SECONDS", 0.1)
    with sqlite.begin() as session:  # another process holds the lock
        session.execute(text("select 1"))
        page = shop.app.test_client().post("/subscribe", data=form(shop, "ada@example.org"))
        answer = shop.app.test_client().post("/subscribe", json={"address": "ada@example.org"})
    assert (page.status_code, page.headers["Retry-After"]) == (503, "30")
    assert 'value="ada@example.org"' in page.text
    assert "Subscribe to Ship or Skip" in page.text
    assert (answer.status_code, answer.get_json()["status"]) == (503, "error")
    again = hidden_fields(page.text) | {"address": "ada@example.org"}
    assert shop.app.test_client().post("/subscribe", data=again).status_code == 200


def test_what_was_typed_is_kept_when_there_is_no_database_at_all(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT 1", None, Exception("gone"))

    monkeypatch.setattr(sign_up, "load_publication", away)
    page = shop.app.test_client().post("/subscribe", data=form(shop, "ada@example.org"))
    assert page.status_code == 503
    assert 'value="ada@example.org"' in page.text


def test_a_bot_that_fills_in_the_honeypot_gets_the_same_response_and_no_letter(shop: Site) -> None:
    client = shop.app.test_client()
    real = client.post("/subscribe", data=form(shop, "ada@example.org"))
    robot = client.post("/subscribe", data=form(shop, "bob@example.org", website="https://spam.example"))
    assert robot.text == real.text
    assert letters(shop) == ["confirm"]


def test_a_form_that_is_forged_too_fast_or_too_old_is_shown_again(shop: Site) -> None:
    client = shop.app.test_client()
    fast = {"address": "ada@example.org", "form": signup.form_token(shop.signer, utcnow())}
    for sent in ({"address": "ada@example.org"}, fast, fast | {"form": "forged"}):
        page = client.post("/subscribe", data=sent)
        assert page.status_code == 400
        assert 'value="ada@example.org"' in page.text
    assert letters(shop) == []


def test_only_a_trusted_proxy_sets_the_client_address(shop: Site) -> None:
    def ask(peer: str, forwarded: str, n: int) -> str:
        return (
            shop.app.test_client()
            .post(
                "/subscribe",
                data=form(shop, f"reader{n}@example.org"),
                environ_base={"REMOTE_ADDR": peer},
                headers={"X-Forwarded-For": forwarded},
            )
            .text
        )

    request_limits.trust_proxies(shop.app, [ip_network("127.0.0.0/8"), ip_network("10.0.0.0/30")])
    proxied = [ask("10.0.0.1", f"1.1.1.1, 9.9.{n}.9, 10.0.0.2", n) for n in range(21)]
    assert not any("One more step" in page for page in proxied)
    for peer in ("8.8.8.8", "10.0.0.5"):  # an unconfigured peer is not a proxy
        lying = [ask(peer, f"9.9.{n}.9", 100 + n) for n in range(21)]
        assert "One more step" in lying[-1]


@pytest.mark.parametrize(
    ("peer", "forwarded", "visitor"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("::1", "2001:db8::9", "2001:db8::9"),
        ("127.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9"),  # what the visitor wrote comes first
        ("127.0.0.1", "6.6.6.6, 10.0.0.7", "10.0.0.7"),
        ("127.0.0.1", "9.9.9.9, 127.0.0.1", "9.9.9.9"),
        ("127.0.0.1", "9.9.9.9, rubbish", "127.0.0.1"),
        ("10.0.0.7", "9.9.9.9", "10.0.0.7"),
        ("8.8.8.8", "9.9.9.9", "8.8.8.8"),
    ],
)
def test_the_client_address_is_the_one_the_nearest_trusted_proxy_saw(
    shop: Site, peer: str, forwarded: str, visitor: str
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    with shop.app.test_request_context("/", environ_base={"REMOTE_ADDR": peer}, headers=headers):
        assert request_limits.client_address() == visitor


def test_a_proxy_on_a_unix_socket_sets_the_client_address(shop: Site) -> None:
    client = shop.app.test_client()
    asks = {"environ_base": {"REMOTE_ADDR": ""}, "headers": {"X-Forwarded-For": "9.9.9.9"}}
    pages = [client.post("/subscribe", data=form(shop, f"r{n}@example.org"), **asks).text for n in range(21)]
    assert ["Check your inbox" in page for page in pages] == [True] * 20 + [False]
    assert "Check your inbox" in client.post("/subscribe", data=form(shop, "ada@example.org")).text
    assert client.get("/metrics", **asks).status_code == 404


def test_no_public_page_sets_a_cookie(shop: Site) -> None:
    client = shop.app.test_client()
    for path in (
        "/",
        "/comparisons",
        "/comparisons/parsnip-vs-lantern-db",
        "/issues",
        "/issues/41",
        "/issues.atom",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "Set-Cookie" not in answer.headers


def test_a_sign_up_stays_pending_until_it_is_confirmed(shop: Site) -> None:
    shop.app.test_client().post("/subscribe", data=form(shop, "ada@example.org"))
    with shop.db.read() as session:
        assert session.scalars(select(Subscription.status)).one() == "pending"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("Ship or Skip, 1 Example Street", "Ship or Skip, 1 Example Street"),
        ("1 Example Street\nBerlin", "Ship or Skip 1 Example Street, Berlin"),
        ("", "Ship or Skip"),
    ],
)
def test_the_footer_names_the_publisher_once(shop: Site, address: str, shown: str) -> None:
    with shop.db.begin() as session:
        publications.find(session).postal_address = address
    page = shop.app.test_client().get("/").get_data(as_text=True)
    foot = page.partition('<footer class="foot">')[2].partition("</p>")[0]
    assert " ".join(re.sub("<[^>]+>", " ", foot).split()) == shown

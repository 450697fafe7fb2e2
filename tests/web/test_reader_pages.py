"""Readers' own pages: confirm, preferences and unsubscribe."""

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.web.factories import Site
from tests.web.subscribers import create_subscriber

from digest.audience import consent, erase, tokens, unsubscribe
from digest.audience.models import ConsentEvent, Subscription
from digest.db import utcnow
from digest.delivery.ledger.models import Letter
from digest.editorial.calendar import slots
from digest.editorial.models import Issue
from digest.publications.models import Publication
from digest.tracking.models import Unsubscribe

ONE_CLICK = "List-Unsubscribe=One-Click"


@pytest.fixture
def ada(shop: Site) -> int:
    with shop.db.begin() as session:
        return create_subscriber(session, 1, "ada@example.org")


def status(shop: Site, subscriber_id: int) -> str:
    with shop.db.read() as session:
        return session.scalars(
            select(Subscription.status).where(Subscription.subscriber_id == subscriber_id)
        ).one()


def issue_id(shop: Site) -> int:
    with shop.db.read() as session:
        return session.scalars(select(Issue.id)).one()


def unsubscribe_url(shop: Site, subscriber_id: int) -> str:
    return f"/unsubscribe/{tokens.unsubscribe_token(shop.signer, 1, subscriber_id, issue_id(shop))}"


def preferences_url(shop: Site, subscriber_id: int) -> str:
    return f"/preferences/{tokens.preferences_token(shop.signer, 1, subscriber_id)}"


def test_only_the_button_confirms_and_the_first_click_sends_the_welcome(shop: Site) -> None:
    with shop.db.begin() as session:
        bob = create_subscriber(session, 1, "bob@example.org", status="pending")
    url = f"/confirm/{tokens.confirm_token(shop.signer, 1, bob, utcnow())}"
    client = shop.app.test_client()
    assert client.get(url).status_code == 200
    assert status(shop, bob) == "pending"
    for _ in range(2):
        page = client.post(url)
        assert page.status_code == 200
        assert "Welcome" in page.text
    assert status(shop, bob) == "active"
    assert shop.nudges == ["letters"]
    with shop.db.read() as session:
        letter = session.scalars(select(Letter)).one()
        assert (letter.kind, "issues/41" in letter.facts) == ("welcome", True)
        assert re.search(r'"next_issue": "Tuesday, \d+ [A-Z]', letter.facts)
        event = session.scalars(select(ConsentEvent)).one()
        assert (event.kind, event.network) == ("confirmed", "127.0.0.0/24")
    assert "You are subscribed" in client.get(url).text


def test_a_reader_can_confirm_while_every_date_is_skipped(shop: Site) -> None:
    with shop.db.begin() as session:
        bob = create_subscriber(session, 1, "bob@example.org", status="pending")
        publication = session.get_one(Publication, 1)
        for slot in slots.list_upcoming(session, publication, utcnow(), slots.MAX_SLOTS_AHEAD):
            slots.skip_slot(session, publication, slot.local_date, now=utcnow(), user_id=None)
    url = f"/confirm/{tokens.confirm_token(shop.signer, 1, bob, utcnow())}"
    assert shop.app.test_client().post(url).status_code == 200
    assert status(shop, bob) == "active"
    with shop.db.read() as session:
        assert "next_issue" not in session.scalars(select(Letter)).one().facts


def test_a_confirm_link_from_before_unsubscribing_shows_no_button(shop: Site, ada: int) -> None:
    client = shop.app.test_client()
    url = f"/confirm/{tokens.confirm_token(shop.signer, 1, ada, utcnow())}"
    client.post(unsubscribe_url(shop, ada), data={"List-Unsubscribe": "One-Click"})
    for page in (client.get(url), client.post(url)):
        assert page.status_code == 409
        assert "unsubscribed after this link was sent; please sign up again to come back" in page.text
        assert "<button" not in page.text
    assert status(shop, ada) == "unsubscribed"


def test_an_old_confirm_link_says_what_to_do(shop: Site) -> None:
    with shop.db.begin() as session:
        bob = create_subscriber(session, 1, "bob@example.org", status="pending")
    url = f"/confirm/{tokens.confirm_token(shop.signer, 1, bob, utcnow() - timedelta(hours=73))}"
    page = shop.app.test_client().post(url)
    assert page.status_code == 404
    assert "sign up again" in page.text
    assert status(shop, bob) == "pending"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded"),
        (
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (ONE_CLICK + "&utm=x", "application/x-www-form-urlencoded; charset=UTF-8"),
        (ONE_CLICK, "text/plain"),
        (ONE_CLICK + "\r\n", "application/x-www-form-urlencoded"),
        ("", ""),
    ],
)
def test_one_click_unsubscribes_at_once_as_rfc_8058_demands(
    shop: Site, ada: int, body: str, kind: str
) -> None:
    url = unsubscribe_url(shop, ada)
    for _ in range(2):
        # No cookies, no Origin, no Referer: like a mail provider.
        answer = shop.app.test_client(use_cookies=False).post(url, data=body, content_type=kind)
        assert answer.status_code == 200
        assert "Location" not in answer.headers
        assert "Set-Cookie" not in answer.headers
        assert status(shop, ada) == "unsubscribed"
    with shop.db.read() as session:
        noted = session.scalars(select(Unsubscribe)).one()
        assert (noted.issue_id, noted.subscriber_id, noted.source, noted.undone_at) == (
            1,
            ada,
            "header",
            None,
        )
        assert [event.kind for event in session.scalars(select(ConsentEvent))] == ["unsubscribed"]


def test_a_trailing_slash_does_not_redirect(shop: Site, ada: int) -> None:
    answer = shop.app.test_client().post(
        unsubscribe_url(shop, ada) + "/", data=ONE_CLICK, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 200
    assert status(shop, ada) == "unsubscribed"


def test_one_click_for_an_unknown_reader_still_succeeds(shop: Site) -> None:
    answer = shop.app.test_client().post(unsubscribe_url(shop, 4711), data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["unsubscribe", "preferences", "confirm"])
def test_a_forged_token_is_not_found_and_changes_nothing(shop: Site, ada: int, kind: str) -> None:
    click = shop.app.test_client()
    good = unsubscribe_url(shop, ada).rpartition("/")[2]
    for token in (
        "x",
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        preferences_url(shop, ada)[13:] + "=",
        "é",
    ):
        for answer in (
            click.get(f"/{kind}/{token}"),
            click.post(f"/{kind}/{token}", data={"List-Unsubscribe": "One-Click"}),
        ):
            assert answer.status_code == 404
            assert "Traceback" not in answer.text
    assert status(shop, ada) == "active"


def test_a_token_works_only_on_its_own_page(shop: Site, ada: int) -> None:
    token = preferences_url(shop, ada).rpartition("/")[2]
    assert shop.app.test_client().post(f"/unsubscribe/{token}").status_code == 404
    assert status(shop, ada) == "active"


def test_the_unsubscribe_page_unsubscribes_and_resubscribes_with_one_button_each(
    shop: Site, ada: int
) -> None:
    client, url = shop.app.test_client(), unsubscribe_url(shop, ada)
    asked = client.get(url)
    assert "ada@" not in asked.text
    assert "a•••@example.org" in asked.text
    assert status(shop, ada) == "active"
    left = client.post(url, data={"action": "unsubscribe"})
    assert "You’re unsubscribed" in left.text
    assert status(shop, ada) == "unsubscribed"
    back = client.post(url, data={"action": "resubscribe"})
    assert "Welcome back!" in back.text
    assert status(shop, ada) == "active"
    with shop.db.read() as session:
        noted = session.scalars(select(Unsubscribe)).one()
        assert noted.source == "page"
        assert noted.undone_at is not None


@pytest.mark.parametrize("page", ["unsubscribe", "preferences"])
def test_the_text_beside_each_button_is_stored_with_the_consent_event(
    shop: Site, ada: int, page: str
) -> None:
    client = shop.app.test_client()
    url = unsubscribe_url(shop, ada) if page == "unsubscribe" else preferences_url(shop, ada)
    shown = [client.get(url).text, client.post(url, data={"action": "unsubscribe"}).text]
    client.post(url, data={"action": "resubscribe"})
    with shop.db.read() as session:
        kept = [(event.kind, words) for event, words in consent.history(session, ada)]
    assert [kind for kind, _ in kept] == ["unsubscribed", "resubscribed"]
    for (_, words), text in zip(kept, shown, strict=True):
        assert words
        assert words in html.unescape(text)


def test_after_thirty_days_resubscribing_takes_a_new_sign_up(shop: Site, ada: int) -> None:
    with shop.db.begin() as session:
        unsubscribe.unsubscribe(session, 1, ada, source="page", now=utcnow() - unsubscribe.UNDO_FOR)
    for url in (unsubscribe_url(shop, ada), preferences_url(shop, ada)):
        for page in (
            shop.app.test_client().get(url),
            shop.app.test_client().post(url, data={"action": "resubscribe"}),
        ):
            assert 'value="resubscribe"' not in page.text
            assert "sign up again" in page.text


def test_the_links_of_an_erased_reader_say_so_and_do_nothing(shop: Site, ada: int) -> None:
    with shop.db.begin() as session:
        erase.erase(session, shop.signer, "ada@example.org", utcnow())
    client, before = shop.app.test_client(), shop.count_rows()
    confirm = f"/confirm/{tokens.confirm_token(shop.signer, 1, ada, utcnow())}"
    for method in ("GET", "POST"):
        assert client.open(confirm, method=method).status_code == 404
    for url in (unsubscribe_url(shop, ada), preferences_url(shop, ada)):
        assert "sign up again" in client.get(url).text
        for action in ("unsubscribe", "resubscribe"):
            assert client.post(url, data={"action": action}).status_code == 200
    assert shop.count_rows() == before


def test_unsubscribing_again_after_resubscribing_is_counted_again(shop: Site, ada: int) -> None:
    client, url = shop.app.test_client(), unsubscribe_url(shop, ada)
    for action in ("unsubscribe", "resubscribe", "unsubscribe"):
        assert client.post(url, data={"action": action}).status_code == 200
    with shop.db.read() as session:
        assert session.scalars(select(Unsubscribe.undone_at)).one() is None


def test_pausing_is_offered_beside_unsubscribing_and_ends_by_itself(shop: Site, ada: int) -> None:
    client, url = shop.app.test_client(), unsubscribe_url(shop, ada)
    assert 'value="4"' in client.get(url).text
    page = client.post(url, data={"action": "pause", "weeks": "4"})
    assert "Paused until" in page.text
    with shop.db.read() as session:
        until = session.scalars(select(Subscription.paused_until)).one()
    assert until is not None
    assert timedelta(days=27) < until - utcnow() <= timedelta(days=28)


def test_preferences_can_pause_resume_unsubscribe_and_resubscribe(shop: Site, ada: int) -> None:
    client, url = shop.app.test_client(), preferences_url(shop, ada)
    assert "ada@" not in client.get(url).text
    assert "paused until" in client.post(url, data={"action": "pause", "weeks": "2"}).text
    assert "Welcome back!" in client.post(url, data={"action": "resume"}).text
    assert "You unsubscribed" in client.post(url, data={"action": "unsubscribe"}).text
    assert status(shop, ada) == "unsubscribed"
    client.post(url, data={"action": "resubscribe"})
    assert status(shop, ada) == "active"


@pytest.mark.parametrize(
    "sent", [{"action": "explode"}, {"action": "pause"}, {"action": "pause", "weeks": "999999999"}]
)
def test_an_unknown_action_is_refused(shop: Site, ada: int, sent: dict[str, str]) -> None:
    assert shop.app.test_client().post(preferences_url(shop, ada), data=sent).status_code == 400
    assert shop.app.test_client().post(unsubscribe_url(shop, ada), data=sent).status_code == 400
    assert status(shop, ada) == "active"


def test_a_link_from_a_test_mail_explains_itself_and_does_nothing(shop: Site) -> None:
    client, before = shop.app.test_client(), shop.count_rows()
    confirm = f"/confirm/{tokens.confirm_token(shop.signer, 1, 0, utcnow())}"
    for url in (confirm, unsubscribe_url(shop, 0), preferences_url(shop, 0)):
        assert "This link is from a test email" in client.get(url).text
        assert client.post(url, data={"action": "unsubscribe"}).status_code == 200
    assert client.post(unsubscribe_url(shop, 0), data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert shop.count_rows() == before


def test_a_reader_page_sends_no_referrer_and_is_not_cached(shop: Site, ada: int) -> None:
    for url in (unsubscribe_url(shop, ada), preferences_url(shop, ada), "/unsubscribe/forged"):
        headers = shop.app.test_client().get(url).headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"


def test_an_oversized_body_is_refused(shop: Site, ada: int) -> None:
    answer = shop.app.test_client().post(unsubscribe_url(shop, ada), data={"action": "x" * 100_000})
    assert answer.status_code == 413


def test_the_reason_is_asked_only_after_unsubscribing_and_takes_one_click(shop: Site, ada: int) -> None:
    client, url = shop.app.test_client(), unsubscribe_url(shop, ada)
    assert "Mind telling us why?" not in client.get(url).text
    client.post(url, data={"action": "reason", "reason": "often"})
    assert reason(shop, ada) is None
    left = client.post(url, data={"action": "unsubscribe"}).text
    assert status(shop, ada) == "unsubscribed"
    assert "Mind telling us why?" in left
    buttons = re.findall(r'name="reason" value="(\w+)"', left)
    assert len(buttons) == 6
    assert buttons[-1] == "none"
    for word in buttons:
        assert "Thank you" in client.post(url, data={"action": "reason", "reason": word}).text
        assert reason(shop, ada) == word
    assert "Mind telling us why?" not in client.get(url).text
    client.post(url, data={"action": "resubscribe"})
    assert "Mind telling us why?" not in client.get(url).text
    assert "Mind telling us why?" in client.post(url, data={"action": "unsubscribe"}).text
    assert reason(shop, ada) is None


def test_one_click_is_never_asked_for_a_reason(shop: Site, ada: int) -> None:
    client, url = shop.app.test_client(), unsubscribe_url(shop, ada)
    answer = client.post(url, data={"List-Unsubscribe": "One-Click", "reason": "often"})
    assert answer.text == "You are unsubscribed.\n"
    assert reason(shop, ada) is None
    assert client.post(url, data={"action": "reason", "reason": "because"}).status_code == 400


def reason(shop: Site, subscriber_id: int) -> str | None:
    with shop.db.read() as session:
        return session.scalars(
            select(Unsubscribe.reason).where(Unsubscribe.subscriber_id == subscriber_id)
        ).one_or_none()

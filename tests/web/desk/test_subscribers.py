"""Readers at the desk: searched, shown in full, and suppressed or erased only after a confirmation."""

import json
import re

from sqlalchemy import select
from tests.web.desk.clients import get, post, signed_in
from tests.web.desk.sent_issues import record_reactions, start_sending
from tests.web.factories import Site
from tests.web.subscribers import create_subscriber

from digest.access.models import AuditLogEntry
from digest.audience import consent, suppression
from digest.audience.models import Subscriber
from digest.db import utcnow
from digest.delivery.letters import outbox
from digest.editorial.models import State
from digest.publications import publications
from digest.tracking.models import Click

BASE = "https://news.example.org"


def people(desk: Site, *given: tuple[str, str]) -> list[int]:
    with desk.db.begin() as session:
        number = publications.find(session).id
        return [create_subscriber(session, number, address, status) for address, status in given]


def listed(page: str) -> list[str]:
    return re.findall(r'class="address"[^>]*>([^<]+)<', page)


def test_a_whole_address_leads_to_its_reader_and_a_prefix_lists_readers(desk: Site) -> None:
    people(
        desk,
        ("ana@example.org", "active"),
        ("anatol@example.org", "unsubscribed"),
        ("bob@example.org", "active"),
    )
    editor = signed_in(desk, "editor")
    whole = post(editor, "/desk/subscribers", address="Ana@example.org")
    assert "ana@example.org</h1>" in whole.text
    assert whole.request.path.startswith("/desk/subscribers/")
    begun = post(editor, "/desk/subscribers", address="An")
    assert listed(begun.text) == ["ana@example.org", "anatol@example.org"]
    assert "an" not in begun.request.query_string.decode()
    assert listed(post(editor, "/desk/subscribers", address="an", status="unsubscribed").text) == [
        "anatol@example.org"
    ]
    assert (
        "No readers whose address starts with “zoe”." in post(editor, "/desk/subscribers", address="zoe").text
    )
    for odd in ("an_%", "\ud7ff\U0010ffff", "x" * 999):
        assert listed(post(editor, "/desk/subscribers", address=odd).text) == []
    assert editor.get("/desk/issues/1/deliveries?domain=%00&reason=%00", base_url=BASE).status_code == 400


def test_lists_are_paged_by_key_whatever_order_they_are_in(desk: Site) -> None:
    people(desk, *((f"r{place:03}@example.org", "active") for place in range(120)))
    editor = signed_in(desk, "editor")
    seen, page = [], get(editor, "/desk/subscribers?status=reachable")
    while found := re.search(r'href="([^"]*after=\d+)"', page):
        seen += listed(page)
        page = get(editor, found[1].replace("&amp;", "&"))
    assert [*seen, *listed(page)] == [f"r{place:03}@example.org" for place in range(120)]
    seen, after = [], ""
    for _ in range(3):
        page = post(editor, "/desk/subscribers", address="r", after=after).text
        seen += listed(page)
        after = (re.findall(r'name="after" value="([^"]+)"', page) or [""])[0]
    assert seen == [f"r{place:03}@example.org" for place in range(120)]


def test_counts_by_status_add_up(desk: Site) -> None:
    given = zip(
        "abcdef", ("active", "active", "pending", "unsubscribed", "active", "unsubscribed"), strict=True
    )
    numbers = people(desk, *((f"{name}@example.org", status) for name, status in given))
    with desk.db.begin() as session:
        suppression.suppress_subscriber(session, desk.signer, numbers[4], "bounce", utcnow())
        suppression.suppress_subscriber(session, desk.signer, numbers[5], "bounce", utcnow())
    page = get(signed_in(desk), "/desk/subscribers")
    counts = [line.split("</span>")[0] for line in page.split('<dd><span class="number">')[1:]]
    assert counts == ["2", "1", "0", "1", "2", "0"]
    for status, many in zip(
        ("reachable", "pending", "paused", "unsubscribed", "suppressed", "erased"), counts, strict=True
    ):
        assert len(listed(get(signed_in(desk), f"/desk/subscribers?status={status}"))) == int(many)


def test_a_reader_s_status_is_the_same_in_the_list_and_on_their_page(desk: Site) -> None:
    given = (
        ("ana@example.org", "active"),
        ("bob@example.org", "pending"),
        ("cas@example.org", "unsubscribed"),
    )
    viewer = signed_in(desk, "viewer")
    statuses = (
        ("reachable", "Subscribed"),
        ("pending", "Pending confirmation"),
        ("unsubscribed", "Unsubscribed"),
    )
    for number, (status, label) in zip(people(desk, *given), statuses, strict=True):
        assert f"<td>{label}</td>" in get(viewer, f"/desk/subscribers?status={status}")
        assert f"<dt>Status</dt><dd>{label}</dd>" in get(viewer, f"/desk/subscribers/{number}")


def test_the_whole_history_of_one_reader_is_on_one_page(desk: Site) -> None:
    numbers = start_sending(desk, State.SENT)
    record_reactions(desk, numbers)
    with desk.db.begin() as session:
        facts = {"subscriber_id": numbers[0], "publication_id": 1, "source": "form"}
        consent.record(session, **facts, kind=consent.Kind.CONFIRMED, now=utcnow(), wording="Yes, send it.")
        outbox.enqueue_letter(session, "welcome", now=utcnow(), publication_id=1, subscriber_id=numbers[0])
    viewer = signed_in(desk, "viewer")
    page = get(viewer, f"/desk/subscribers/{numbers[0]}")
    for said in ("Yes, send it.", "Clicked", "Link 0", "Accepted", "Welcome"):
        assert said in page
    assert "A scanner opened" in get(viewer, f"/desk/subscribers/{numbers[1]}")
    assert "“Too many emails”" in get(viewer, f"/desk/subscribers/{numbers[3]}")
    assert "no such mailbox" in get(viewer, f"/desk/subscribers/{numbers[6]}")
    assert "Erase" not in page


def test_everything_about_a_reader_can_be_exported_as_json(desk: Site) -> None:
    numbers = start_sending(desk, State.SENT)
    record_reactions(desk, numbers)
    viewer = signed_in(desk, "viewer")
    page = f"/desk/subscribers/{numbers[1]}"
    assert post(viewer, f"{page}/data.json").status_code == 403
    held = json.loads(post(signed_in(desk), f"{page}/data.json").text)
    assert held["address"] == "r1@example.org"
    assert [one["issue"] for one in held["deliveries"]] == [1]
    assert [one["is_bot"] for one in held["clicks"]] == [True] * 3


def test_suppressing_asks_first_and_lasts(desk: Site) -> None:
    (number,) = people(desk, ("ana@example.org", "active"))
    editor, path = signed_in(desk), f"/desk/subscribers/{number}/suppress"
    assert "This address will get no more emails, even if it is imported again." in get(editor, path)
    assert "Reader suppressed. They will get no more emails." in post(editor, path).text
    with desk.db.read() as session:
        assert suppression.find(session, desk.signer, ["ana@example.org"])
        told = list(session.scalars(select(AuditLogEntry.number).where(AuditLogEntry.kind == "subscriber")))
    assert told == [number]
    assert path not in get(editor, f"/desk/subscribers/{number}")


def test_erasing_asks_for_the_address_and_leaves_nothing(desk: Site) -> None:
    (number,) = people(desk, ("ana@example.org", "active"))
    editor, path = signed_in(desk), f"/desk/subscribers/{number}/erase"
    assert "Nothing was erased" in post(editor, path, address="bob@example.org").text
    assert address(desk, number) == "ana@example.org"
    page = post(editor, path, address="Ana@Example.org ").text
    assert address(desk, number) is None
    assert "Erased reader" in page
    assert "ana@" not in page
    again = post(editor, path, address="ana@example.org")
    assert "This reader has already been erased" in again.text


def test_clicks_of_an_erased_reader_have_no_user_agent(desk: Site) -> None:
    numbers = start_sending(desk, State.SENT)
    record_reactions(desk, numbers)
    editor = signed_in(desk)
    post(editor, f"/desk/subscribers/{numbers[1]}/erase", address="r1@example.org")
    with desk.db.read() as session:
        rows = session.execute(
            select(Click.subscriber_id, Click.user_agent).distinct().order_by(Click.subscriber_id)
        )
        assert [tuple(row) for row in rows] == [(numbers[0], "Firefox"), (numbers[1], "")]


def address(desk: Site, number: int) -> str | None:
    with desk.db.read() as session:
        return session.get_one(Subscriber, number).address

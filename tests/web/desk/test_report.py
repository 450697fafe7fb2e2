"""The report: charts described in words, lists of deliveries, and a CSV export."""

import csv
import io
import re
from datetime import timedelta

from sqlalchemy import update
from tests.delivery.factories import recount_outcomes
from tests.web.desk.clients import get, post, signed_in
from tests.web.desk.sent_issues import OUTCOMES, record_reactions, start_sending
from tests.web.factories import Site

from digest.audience import consent
from digest.audience.models import Subscriber
from digest.db import utcnow
from digest.delivery.ledger.counts import count_accepted_and_failed
from digest.delivery.ledger.models import Batch, Delivery, Outcome
from digest.delivery.release import retention
from digest.editorial.models import Issue, State
from digest.publications import publications
from digest.tracking import retention as visits


def chart_labels(page: str) -> list[str]:
    return re.findall(r'<svg class="chart[^"]*"[^>]*aria-label="([^"]*)"', page)


def test_the_activity_says_who_did_what(desk: Site) -> None:
    editor = signed_in(desk)
    hour = {"day": "2030-01-01", "clock": "09:00", "zone": "Europe/Berlin", "hold": "15"}
    for _ in range(2):
        post(editor, "/desk/issues/1/schedule", action="schedule", **hour)
    post(editor, "/desk/issues/1/unschedule")
    start_sending(desk, State.SENT)
    page = get(editor, "/desk/issues/1/report").split('id="activity"')[1]
    activity = [
        re.sub("<[^>]+>", "", row) for row in re.findall(r"<span><strong>(.*?)</span></li>", page, re.DOTALL)
    ]
    assert activity[:4] == [
        "Drafted by test",
        "Scheduled by editor@verdicts.io · for 2030-01-01 09:00 Europe/Berlin",
        "Rescheduled by editor@verdicts.io · for 2030-01-01 09:00 Europe/Berlin",
        "Returned to draft by editor@verdicts.io · unscheduled",
    ]


def test_the_report_describes_its_charts_in_words(desk: Site) -> None:
    numbers = start_sending(desk, State.SENT)
    record_reactions(desk, numbers)
    page = get(signed_in(desk, "viewer"), "/desk/issues/1/report")
    assert any("2 by people, 5 in total" in said for said in chart_labels(page))
    assert any("Unsubscribes by hour: 2" in said for said in chart_labels(page))
    assert "Too many emails" in page
    assert "No reason given" in page
    assert "outcomes.csv" not in page  # viewers cannot export addresses


def test_refusals_are_listed_by_domain_with_their_reasons(desk: Site) -> None:
    numbers = start_sending(desk, State.SENT)
    with desk.db.begin() as session:
        at_mail = {"address": "x@mail.example", "address_key": "x@mail.example"}
        session.execute(update(Subscriber).where(Subscriber.id == numbers[6]).values(at_mail))
        later = {"outcome": None, "reason": "451 4.7.1", "due_at": utcnow(), "ended_at": None}
        session.execute(update(Delivery).where(Delivery.subscriber_id == numbers[10]).values(later))
    editor = signed_in(desk)
    page = get(editor, "/desk/issues/1/report")
    assert re.findall(r'domain=([\w.]+)"', page) == ["example.org", "mail.example"]
    assert "and 1 deferred" in page
    listed = get(editor, "/desk/issues/1/deliveries?domain=example.org")
    assert re.findall(r'class="address"[^>]*>([^<]+)<', listed) == ["r7@example.org", "r10@example.org"]


def test_every_number_links_to_its_deliveries(desk: Site) -> None:
    start_sending(desk, State.SENT)
    editor = signed_in(desk)
    for outcome in (*Outcome, "remaining"):
        page = get(editor, f"/desk/issues/1/deliveries?outcome={outcome}")
        wanted = [place for place, one in enumerate(OUTCOMES) if (one or "remaining") == outcome]
        assert page.count('class="address"') == len(wanted)
    assert get(editor, "/desk/issues/1/deliveries").count('class="address"') == len(OUTCOMES)
    assert get(editor, "/desk/issues/1/deliveries?outcome=failed&reason=other").count('class="address"') == 0
    assert (
        "there is no delivery outcome called"
        in get(editor, "/desk/issues/1/deliveries?outcome=eaten", status=400).lower()
    )


def test_deliveries_are_paged_by_reader(desk: Site) -> None:
    numbers = start_sending(desk, State.SENT)
    page = get(signed_in(desk), f"/desk/issues/1/deliveries?after={numbers[4]}")
    assert re.findall(r'class="address"[^>]*>r(\d+)@', page) == ["5", "6", "7", "8", "9", "10"]


def test_the_csv_export_has_all_outcomes_and_no_formulas(desk: Site) -> None:
    numbers = start_sending(desk, State.SENT)
    with desk.db.begin() as session:
        evil = {"reply": '=HYPERLINK("http://evil")'}
        session.execute(update(Delivery).where(Delivery.subscriber_id == numbers[6]).values(evil))
        gone = {"address": None, "address_key": None}
        session.execute(update(Subscriber).where(Subscriber.id == numbers[0]).values(gone))
    viewer = signed_in(desk, "viewer")
    path = "/desk/issues/1/outcomes.csv"
    assert post(viewer, path).status_code == 403
    text = post(signed_in(desk), path).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["outcome"] for row in rows] == [outcome or "remaining" for outcome in OUTCOMES]
    assert rows[6]["reply"] == '\'=HYPERLINK("http://evil")'
    assert [row["address"] for row in rows[:2]] == ["", "r1@example.org"]


def test_the_report_compares_the_issue_with_the_median_of_earlier_ones(desk: Site) -> None:
    start_sending(desk, State.SENT)
    assert "Compared with the last" not in get(signed_in(desk), "/desk/issues/1/report")
    with desk.db.begin() as session:
        session.execute(update(Delivery).where(Delivery.outcome.is_(None)).values(due_at=utcnow()))
        publication = publications.find(session)
        session.add(
            Issue(
                publication_id=publication.id,
                number=2,
                state=State.SENT,
                drafted_at=utcnow(),
                started_at=utcnow() + timedelta(minutes=1),
            )
        )
    page = get(signed_in(desk), "/desk/issues/2/report")
    assert "Compared with the last 2 issues" in page
    assert "Accepted: 0 in this issue, median 3 over the last 2 issues" in chart_labels(page)


def test_finished_issues_are_counted_together_with_the_same_results(desk: Site) -> None:
    start_sending(desk, State.SENT)
    with desk.db.begin() as session:
        waits = Delivery.outcome.is_(None)
        session.execute(update(Delivery).where(waits).values(due_at=utcnow()))
        assert count_accepted_and_failed(session, [1]) == {1: (6, 2)}
        over = {"outcome": Outcome.ACCEPTED, "reason": "by hand", "ended_at": utcnow(), "due_at": None}
        session.execute(update(Delivery).where(waits).values(over))
        found = recount_outcomes(session, 1)
        assert (
            count_accepted_and_failed(session, [1, 99]) == {1: (found.accepted, found.failed)} == {1: (7, 2)}
        )


def test_the_growth_of_a_year_is_counted_by_week(desk: Site) -> None:
    now = utcnow()
    numbers = start_sending(desk)
    with desk.db.begin() as session:
        for number, (kind, weeks) in enumerate(
            (
                ("requested", 0),
                ("requested", 3),
                ("confirmed", 3),
                ("unsubscribed", 0),
                ("suppressed", 0),
                ("unsubscribed", 60),
            )
        ):
            consent.record(
                session,
                subscriber_id=numbers[number],
                publication_id=None if kind == "suppressed" else 1,
                kind=consent.Kind(kind),
                source="test",
                now=now - timedelta(weeks=weeks),
            )
    page = get(signed_in(desk, "viewer"), "/desk/audience")
    assert chart_labels(page) == [
        "Readers per week, 52 weeks: 1 confirmed, 1 unsubscribed, 1 suppressed",
        "Sign-ups per week: 2 signed up, 1 confirmed",
    ]
    assert "50%" in page
    assert page.count('<tr><th scope="row">') == 52


def figures(page: str) -> str:
    """What a report says, without its buttons, its notes and the names of single readers."""
    main = page.split("<main")[1]
    for part in (
        r'<section aria-labelledby="unknown">.*?</section>',
        r"<form.*?</form>",
        r'<p class="hint.*?</p>',
    ):
        main = re.sub(part, "", main, flags=re.DOTALL)
    main = re.sub(r'<div class="row after-hint">.*?</div>', "", main, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r'href="[^"]*"', "", main))


def test_the_report_shows_the_same_when_its_deliveries_and_clicks_are_deleted(desk: Site) -> None:
    numbers, now = start_sending(desk, State.SENT), utcnow()
    record_reactions(desk, numbers)
    with desk.db.begin() as session:
        ended = update(Delivery).where(Delivery.outcome.is_(None))
        session.execute(ended.values(outcome="accepted", ended_at=now))
        session.execute(update(Batch).values(done_at=now - timedelta(days=1)))
        session.execute(update(Issue).values(finished_at=now - timedelta(days=1)))
    editor = signed_in(desk)
    before = get(editor, "/desk/issues/1/report")
    for step in (
        lambda session: retention.total_next(session, now, now),
        lambda session: retention.delete_deliveries(session, now),
        lambda session: visits.delete_clicks(session, now, now),
        lambda session: retention.delete_emails(session, now, now),
    ):
        done = False
        while not done:
            with desk.db.begin() as session:
                done = step(session)
    after = get(editor, "/desk/issues/1/report")
    assert figures(after) == figures(before)
    assert "The deliveries were deleted on" in after
    assert "Send to failed" in before
    assert "Send to failed" not in after
    assert "The deliveries were deleted on" in get(editor, "/desk/issues/1/deliveries?outcome=failed")
    assert get(editor, "/desk/issues/1/preview")
    refused = post(editor, "/desk/issues/1/outcomes.csv")
    assert "its report stays" in refused.text

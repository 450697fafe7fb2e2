"""A worker runs each external check once, records its result, and the check report shows it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network

import pytest
from sqlalchemy import func, select
from tests.editorial import factories
from tests.editorial.factories import NOW

from digest.db import Database
from digest.editorial import editions
from digest.editorial.checks import external_check_queue, external_check_results, external_check_worker
from digest.editorial.checks.external_check_queue import CheckRequest, MailSetup
from digest.editorial.checks.finding import Level
from digest.editorial.drafts import text_edits
from digest.editorial.models import ExternalCheck, Issue
from digest.external_checks import spam
from digest.external_checks.ssrf import HostPolicy

BASE = "https://verdicts.dev"
MAIL_SETUP = MailSetup("mail.verdicts.dev")


class Site(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/there" else 404)
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site() -> Iterator[tuple[str, HostPolicy]]:
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        allowed = HostPolicy(frozenset({server.server_port}), (ip_network("127.0.0.1/32"),))
        yield f"http://127.0.0.1:{server.server_port}", allowed
        server.shutdown()
        thread.join()


def drafted(db: Database, **words: str) -> int:
    with db.begin() as session:
        issue = factories.drafted(
            session, 3
        )  # its sender is at an example domain, for which no DNS is looked up
        text_edits.update_texts(session, issue, issue.revision, **words)
        return issue.id


def check_results(db: Database, issue_id: int) -> external_check_results.CheckResults:
    with db.read() as session:
        issue = session.get_one(Issue, issue_id)
        return external_check_results.collect_results(
            session, issue, editions.build_edition(session, issue, BASE), MAIL_SETUP
        )


def test_links_are_checked_once_an_hour_and_dead_links_are_reported(db: Database) -> None:
    now = NOW
    with site() as (url, allowed):
        intro = f"[a]({url}/there), [b]({url}/gone), [c](http://10.0.0.1/), [us]({BASE}/x)"
        issue_id = drafted(db, intro=intro.replace(f", [us]({BASE}/x)", ""))

        def run() -> bool:
            return external_check_worker.run_due_checks(
                db, base_url=BASE, mail_setup=MAIL_SETUP, host_policy=allowed, clock=lambda: now
            )

        assert check_results(db, issue_id).progress["link"] == (0, 3)
        assert check_results(db, issue_id).is_pending
        assert run()
        found = check_results(db, issue_id)
        assert found.progress["link"] == (3, 3)
        assert [(check.level, check.location) for check in found.findings] == [(Level.WARNING, "intro")] * 2
        assert "the page was not found (404)" in found.findings[0].text
        assert "private network" in found.findings[1].text or "port 80" in found.findings[1].text
        assert found.summaries["link"] == "1 of 3 works"
        assert not run()
        with db.read() as session:
            links = [CheckRequest("link", f"{url}/there")]
            assert external_check_queue.list_due(session, links, now + timedelta(minutes=61)) == links


def test_one_failing_check_does_not_lose_the_results_of_others(sqlite: Database) -> None:
    failures: list[Exception] = [RuntimeError("a fault of ours")]

    def stopping() -> bool:  # called before each check
        if failures:
            raise failures.pop()
        return False

    with site() as (url, allowed):
        issue_id = drafted(sqlite, intro=f"[a]({url}/there), [b]({url}/there?again)")
        options = {"base_url": BASE, "mail_setup": MAIL_SETUP, "host_policy": allowed, "clock": lambda: NOW}
        assert external_check_worker.run_due_checks(sqlite, is_stopping=stopping, **options)
    found = check_results(sqlite, issue_id)
    assert found.progress["link"] == (2, 2)
    assert [check.level for check in found.findings].count(Level.NOTE) == 1
    assert any("could not be checked" in check.text for check in found.findings)


def test_an_inconclusive_sender_check_reports_no_missing_records(sqlite: Database) -> None:
    with sqlite.begin() as session:
        issue = factories.drafted(session, 3, sender_address="news@verdicts.io")
        made = editions.build_edition(session, issue, BASE)
        (asked,) = [
            one for one in external_check_queue.list_requests(issue, made, MAIL_SETUP) if one.kind == "sender"
        ]
        external_check_queue.claim(session, [asked], NOW)
        external_check_queue.store_result(
            session, asked, {"problem": "the check failed (KeyError)", "is_inconclusive": True}, NOW
        )
        found = external_check_results.collect_results(session, issue, made, MAIL_SETUP)
    assert [(check.name, check.level) for check in found.findings] == [("sender", Level.NOTE)]
    assert found.summaries["sender"] == "verdicts.io could not be checked"


def test_two_workers_do_not_run_the_same_check(db: Database) -> None:
    one = CheckRequest("link", "https://fine.dev/")
    with db.begin() as session:
        assert external_check_queue.claim(session, [one], NOW) == [one]
        assert external_check_queue.claim(session, [one], NOW) == []
        assert external_check_queue.list_due(
            session, [one], NOW + external_check_queue.CLAIM_LEASE + timedelta(seconds=1)
        ) == [one]
        external_check_queue.store_result(session, one, {"problem": ""}, NOW)
        assert external_check_queue.list_due(session, [one], NOW) == []
        external_check_queue.request_recheck(session, [one], NOW + timedelta(seconds=1))
        assert external_check_queue.fetch_results(session, [one])[0].checked_at is None
        assert external_check_queue.list_due(session, [one], NOW + timedelta(seconds=1)) == [one]
        external_check_queue.delete_old(session, NOW + timedelta(days=8))
        assert session.scalar(select(func.count()).select_from(ExternalCheck)) == 0


def test_a_text_still_being_written_is_not_scored_for_spam(sqlite: Database) -> None:
    one = CheckRequest("spam", "0" * 64)
    with sqlite.begin() as session:
        assert external_check_queue.claim(session, [one], NOW) == []
        assert external_check_queue.list_due(session, [one], NOW + timedelta(seconds=5)) == []
        assert external_check_queue.claim(session, [one], NOW + external_check_queue.SPAM_SETTLE_TIME) == [
            one
        ]


@pytest.mark.skipif(not spam.is_installed(), reason="SpamAssassin is not installed here")
def test_the_sample_mail_gets_a_good_spam_score(sqlite: Database) -> None:
    issue_id = drafted(sqlite)
    for now in (NOW, NOW + external_check_queue.SPAM_SETTLE_TIME):
        external_check_worker.run_due_checks(
            sqlite, base_url=BASE, mail_setup=MAIL_SETUP, clock=lambda at=now: at
        )
    found = check_results(sqlite, issue_id)
    assert found.progress["spam"] == (1, 1)
    assert "of 5 points" in found.summaries["spam"]
    assert found.findings == ()


def test_missing_dns_records_are_warnings_with_the_record_to_add_and_only_notes_on_a_trial(
    sqlite: Database,
) -> None:
    from digest.external_checks import sender_auth

    proofs = [
        vars(proof)
        for proof in sender_auth.check_sender("verdicts.io", relay="smtp.gmail.com", lookup=lambda _: [])
    ]
    with sqlite.begin() as session:
        issue = factories.drafted(session, 3, sender_address="news@verdicts.io")
        for base, level in ((BASE, Level.WARNING), ("http://127.0.0.1:8000", Level.NOTE)):
            made = editions.build_edition(session, issue, base)
            (asked,) = [
                one
                for one in external_check_queue.list_requests(issue, made, MAIL_SETUP)
                if one.kind == "sender"
            ]
            external_check_queue.claim(session, [asked], NOW)
            external_check_queue.store_result(session, asked, {"sender_auth": proofs}, NOW)
            checks = {
                check.name: check
                for check in external_check_results.collect_results(session, issue, made, MAIL_SETUP).findings
            }
            assert checks["sender SPF"].level == checks["sender DMARC"].level == level
            assert checks["sender DKIM"].level == Level.NOTE
            assert checks["sender SPF"].dns_record.startswith("verdicts.io. IN TXT")

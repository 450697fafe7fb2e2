"""Every page that a role can reach by its links: each link and form answers, each field has a label, each id is unique.

Viewers see no reader's whole address anywhere.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from lxml import html
from sqlalchemy import update
from tests.catalog.pages import draft, unparse
from tests.web.desk.clients import csrf_token, make_desk, signed_in
from tests.web.desk.sent_issues import start_sending
from tests.web.factories import BASE, Site
from tests.web.subscribers import create_subscriber

from digest.access import factors
from digest.audience.models import ConsentEvent, Subscription
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Delivery, Letter
from digest.delivery.letters import test_sends
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, Role, State
from digest.publications import publications
from digest.web.desk import auth

PER_ENDPOINT = 3  # pages of one kind that are opened: a hundred readers' pages show no more than three do
WITH_LABEL = "input[not(@type='hidden') and not(@type='submit')] | //select | //textarea"
# Pages that only a button leads to: the first two for everybody.
STARTS = (
    "/desk/issues/2", "/desk/issues/2/schedule", "/desk/issues/2/regenerate", "/desk/comparisons/imports/1",
    "/desk/setup/relay", "/desk/setup/calendar",
)  # fmt: skip
READER = re.compile(r"\b(?:r\d+|ada\.reader)@example\.org")


@dataclass
class Walk:
    """What one role found."""

    app: Flask
    client: FlaskClient
    role: Role
    faults: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)  # pages that show a reader's whole address
    seen: set[str] = field(default_factory=set)
    opened: Counter[str] = field(default_factory=Counter)

    def everything(self, start: str = "/desk/") -> None:
        queue = [start]
        while queue:
            path = queue.pop(0)
            if path not in self.seen and (path in STARTS or self._is_wanted(path)):
                queue += self._open(path)
            self.seen.add(path)

    def _is_wanted(self, path: str) -> bool:
        endpoint = self._endpoint(path, "GET")
        self.opened[endpoint] += 1
        return self.opened[endpoint] <= PER_ENDPOINT

    def _open(self, path: str) -> list[str]:
        answer = self.client.get(path, base_url=BASE)
        if answer.status_code >= 400:
            self.faults.append(f"{path} answers {answer.status_code}")
            return []
        if READER.search(answer.text):
            self.addresses.append(path)
        if answer.mimetype != "text/html" or "/preview/body" in path:  # the mail has tests of its own
            return []
        page = html.fromstring(answer.text or "<p>")
        self.faults += [f"{path}: {fault}" for fault in (*faults_of(page), *self._forms(page, path))]
        links = [str(link) for link in page.xpath("//a/@href | //iframe/@src | //@hx-get")]
        links += [form.get("action", path) for form in page.forms if form.method == "GET"]
        return [self._local(path, link) for link in links if self._is_desk(path, link)]

    def _forms(self, page: html.HtmlElement, path: str) -> Iterator[str]:
        """Forms that this role would be refused."""
        for form in page.forms:
            action = urlsplit(form.get("action") or path).path
            endpoint = self._endpoint(action, form.method)
            need = auth.required_rank(self.app.view_functions[endpoint], form.method)
            if auth.RANK[self.role] < need:
                yield f"the form to {action} needs another role"
            if form.method == "POST" and not form.xpath(".//input[@name='csrf_token']"):
                yield f"the form to {action} has no CSRF token"

    def _endpoint(self, path: str, method: str) -> str:
        bare = urlsplit(path).path
        return self.app.url_map.bind("news.example.org", url_scheme="https").match(bare, method)[0]

    def _local(self, path: str, link: str) -> str:
        parts = urlsplit(link)
        bare = parts.path or urlsplit(path).path
        return f"{bare}?{parts.query}" if parts.query else bare

    def _is_desk(self, path: str, link: str) -> bool:
        parts = urlsplit(link)
        return not parts.netloc and not parts.scheme and (parts.path or path).startswith("/desk")


def faults_of(page: html.HtmlElement) -> Iterator[str]:
    """Ids that stand twice, and fields without a label of their own."""
    ids = Counter(page.xpath("//@id"))
    yield from (f"id={name!r} stands {many} times" for name, many in ids.items() if many > 1)
    for name in page.xpath("//label/@for | //@aria-labelledby | //@aria-describedby"):
        yield from (f"a label names {one!r}, which is not there" for one in name.split() if one not in ids)
    for element in page.xpath(f"//{WITH_LABEL}"):
        labels = page.xpath("//label[@for=$id]", id=element.get("id") or "none")
        named = (
            element.get("aria-label") or element.get("aria-labelledby") or element.xpath("ancestor::label")
        )
        if not labels and not named:
            yield f"<{element.tag} name={element.get('name')!r}> has no label"
        if len(labels) > 1:
            yield f"<{element.tag} id={element.get('id')!r}> has {len(labels)} labels"


@pytest.fixture
def site(sqlite: Database, tmp_path: Path) -> Site:
    return create_full_site(sqlite, tmp_path)


@pytest.fixture
def on_both(db: Database, tmp_path: Path) -> Site:
    return create_full_site(db, tmp_path)


def create_full_site(db: Database, home: Path) -> Site:
    """Issue 1 is sent and has everything a report can show; issue 2 is a draft."""
    made = make_desk(db, home)
    start_sending(made, State.SENT)
    with db.begin() as session:
        publication = publications.find(session)
        publication.postal_address = ""  # so that a check links to the settings
        ada, why = "ada.reader@example.org", "ada.reader@example.org asked by mail"
        number = create_subscriber(session, publication.id, ada, "unsubscribed")
        session.execute(update(Subscription).values(source=why))
        session.add(ConsentEvent(subscriber_id=number, kind="confirmed", source=why, at=utcnow()))
        reply = "550 5.1.1 <r6@example.org>: no such mailbox r6@example.org"
        session.execute(
            update(Delivery).where(Delivery.outcome != "accepted").values(reply=reply, attempts=1)
        )
        session.add(
            Letter(kind="welcome", subscriber_id=1, publication_id=publication.id, created_at=utcnow(), due_at=utcnow(),
                   outcome="failed", reply="550 r0@example.org")
        )  # fmt: skip
        issue = drafting.draft_issue(session, publication, utcnow(), actor="test")
        test_sends.enqueue_test_send(session, issue, "ada.reader@example.org", base_url=BASE, now=utcnow())
        assert session.get_one(Issue, issue.id).number == 2
    return made


def clients(site: Site) -> dict[Role, FlaskClient]:
    """One client for each role, who has set up two second factors since."""
    signed = {role: signed_in(site, role.value) for role in Role}
    with site.db.begin() as session:
        for user_id in (1, 2, 3):
            for name in ("Phone", "Tablet"):
                factors.add(session, user_id, "app", name, utcnow(), encrypted_secret="")
    return signed


def test_every_link_and_form_of_a_page_answers_for_the_role_that_sees_it(on_both: Site) -> None:
    site = on_both
    faults: list[str] = []
    for role, client in clients(site).items():
        if role is not Role.VIEWER:
            data = {"csrf_token": csrf_token(client, "/desk/"), "page": unparse(draft("Larkspur", "Harrow"))}
            client.post("/desk/comparisons", base_url=BASE, data=data)
        walk = Walk(site.app, client, role)
        for start in ("/desk/", "/desk/comparisons/imports/1", "/desk/settings", "/desk/setup/relay"):
            if start == "/desk/" or role is Role.OWNER:
                walk.everything(start)
        faults += [f"{role} {fault}" for fault in dict.fromkeys(walk.faults)]
        assert bool(walk.addresses) == (role is not Role.VIEWER), walk.addresses
        if role is Role.OWNER:
            pages = {
                rule.endpoint for rule in site.app.url_map.iter_rules() if rule.endpoint.startswith("desk.")
            }
            assert len(pages & set(walk.opened)) >= 30
    assert not faults, "\n".join(faults)


def test_a_viewer_finds_a_reader_by_a_whole_address_only(site: Site) -> None:
    viewer, editor = signed_in(site, "viewer"), signed_in(site, "editor")

    def find(client: FlaskClient, typed: str) -> str:
        data = {"csrf_token": csrf_token(client, "/desk/subscribers"), "address": typed}
        return client.post("/desk/subscribers", base_url=BASE, data=data, follow_redirects=True).text

    assert "ada.reader@example.org" in find(editor, "ada")
    assert "No readers whose address is “ada.r”" in find(viewer, "ada.r")
    found = find(viewer, "ada.reader@example.org")
    assert "Consent history" in found
    assert not READER.search(found)


def test_no_address_of_a_route_shows_a_viewer_a_reader_s_whole_address(site: Site) -> None:
    """Also by a URL that no page of theirs links to, and in exports."""
    viewer, editor = signed_in(site, "viewer"), signed_in(site, "editor")
    queries = ("", "?reader=1", "?status=reachable", "?outcome=failed", "?as=source&reader=1")
    shown_to_editors = 0
    for rule in site.app.url_map.iter_rules():
        if not rule.endpoint.startswith("desk.") or "GET" not in (rule.methods or ()):
            continue
        path = re.sub(r"<int:\w+>", "1", rule.rule)
        path = (
            path.replace("<slug>", "parsnip-vs-lantern-db").replace("<step>", "name").replace("<token>", "x")
        )
        for query in queries if "subscribers" in path or "issues" in path else queries[:1]:
            assert not READER.search(viewer.get(path + query, base_url=BASE).text), path + query
            shown_to_editors += bool(READER.search(editor.get(path + query, base_url=BASE).text))
    assert shown_to_editors > 5

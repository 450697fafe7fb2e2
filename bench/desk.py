"""Measures how long each desk page takes, following every link of a publication that is years old.

It has 100,000 readers, 5,000 comparisons, 200 sent issues, an issue half-way through sending, and a draft.
"""

import re
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench import dataset, status
from bench.audience import write_audience
from digest import app
from digest.catalog import importing
from digest.catalog.models import ComparisonVersion
from digest.config import load
from digest.db import Database, utcnow
from digest.delivery.ledger.models import FrozenIssue
from digest.delivery.release import freeze
from digest.editorial import editions, users
from digest.editorial.drafts import drafting
from digest.editorial.models import State
from digest.publications import publications
from digest.render.content import to_json
from digest.signing import Signer

OWNER = "owner@verdicts.example.org"
PICKS = 3  # of each sent issue
TOOLS = 700  # that are compared, with RIVALS of each
SERVER_ERROR = 500
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
ISSUES, COMPARISONS = 200, 5_000
PAGES_OF_A_KIND, TIMES = 3, 7  # pages of an endpoint, requests of a page
_LINK = re.compile(r'(?:href|hx-get)="([^"#]+)')


def measure(kind: str, readers: int) -> list[tuple[str, float]]:
    """(endpoint, 95th percentile in seconds) of each kind of page, the slowest first, and of all together."""
    with dataset.database(kind) as url, dataset.opened(url) as db, _filled(db, readers) as editor:
        taken = _crawl(editor)
    found = {name: _late(seconds) for name, seconds in taken.items()}
    everything = _late([one for seconds in taken.values() for one in seconds])
    slowest = sorted(found.items(), key=lambda one: -one[1])
    return [(f"any of {len(found)} kinds of page", everything), *slowest]


@contextmanager
def _filled(db: Database, readers: int) -> Iterator[FlaskClient]:
    """An owner who is signed in at the desk of such a publication."""
    dataset.create_tables(db)
    with db.begin() as session:
        publication_id = publications.create(
            session, now=utcnow(), name="Ship or Skip", sender_address="news@verdicts.example.org"
        ).id
        users.invite_user(session, OWNER, "owner", utcnow())
    dataset.add_readers(db, publication_id, readers)
    with db.begin() as session:
        first_at = utcnow() - timedelta(hours=4 * COMPARISONS)
        comparisons = [
            dataset.comparison(
                f"Tool {number % TOOLS}",
                f"Rival {number // TOOLS}",
                number,
                first_at + timedelta(hours=4 * number),
            )
            for number in range(COMPARISONS)
        ]
        importing.import_comparisons(session, comparisons, utcnow())
    _send_half(db, publication_id, readers)
    with db.begin() as session:
        _create_sent_issues(session, publication_id)
        drafting.draft_issue(session, publications.find(session), utcnow(), actor="bench")
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as home:
        yield _sign_in(db, Path(home))


def _create_sent_issues(session: Session, publication_id: int) -> None:
    versions = session.scalars(select(ComparisonVersion).limit(PICKS)).all()
    for number in range(2, 2 + ISSUES):
        issue = dataset.create_issue(session, publication_id, versions, number)
        issue.state = State.SENT
        issue.release_at = issue.started_at = utcnow() - timedelta(days=7 * (ISSUES + 2 - number))
        issue.finished_at = issue.started_at + timedelta(minutes=4)
        edition = to_json(editions.build_edition(session, issue, dataset.BASE_URL))
        frozen = FrozenIssue(
            issue_id=issue.id, edition=edition, compiled=b"", sha256="", template_version="", key_id=""
        )
        frozen.frozen_at = frozen.audience_done_at = issue.release_at
        session.add(frozen)


def _send_half(db: Database, publication_id: int, readers: int) -> None:
    """Issue 1, which half of its readers have got."""
    with db.begin() as session:
        versions = session.scalars(select(ComparisonVersion).limit(PICKS)).all()
        issue = dataset.create_issue(session, publication_id, versions)
        freeze.freeze(session, issue, signer=Signer(dataset.KEYS), base_url=dataset.BASE_URL, now=utcnow())
        issue_id = issue.id
    write_audience(db, issue_id)
    status.accept_half(db, issue_id, readers)


def _sign_in(db: Database, home: Path) -> FlaskClient:
    settings = load(
        home=home,
        database_url=db.engine.url.render_as_string(hide_password=False),
        base_url=dataset.BASE_URL,
        secret_keys=tuple(dataset.KEYS),
        broker_url=f"redis+socket://{home}/no-broker.sock",
        smtp_url="smtp://127.0.0.1:25",
        log="error",
    )
    with db.read() as session:
        token = users.create_sign_in_token(Signer(dataset.KEYS), users.find_user(session, OWNER), utcnow())
    client, path = app.create_flask_app(settings).test_client(), f"/desk/enter/{token}"
    form = client.get(path, base_url=dataset.BASE_URL).get_data(as_text=True)
    found = _CSRF.search(form)
    client.post(path, data={"csrf_token": found[1] if found else ""}, base_url=dataset.BASE_URL)
    return client


def _crawl(editor: FlaskClient) -> dict[str, list[float]]:
    """Seconds of every request by endpoint."""
    queue, seen, taken = ["/desk/"], {"/desk/"}, defaultdict[str, list[float]](list)
    kinds: defaultdict[str, int] = defaultdict(int)
    while queue:
        path = queue.pop(0)
        endpoint = _endpoint(editor, path)
        if not endpoint.startswith("desk.") or kinds[endpoint] >= PAGES_OF_A_KIND:
            continue
        kinds[endpoint] += 1
        page, seconds = _time(editor, path)
        if not page:  # a download, as long as the audience
            continue
        taken[endpoint] += seconds
        for link in map(unescape, _LINK.findall(page)):
            if link.startswith("/desk") and link not in seen:
                seen.add(link)
                queue.append(link)
    return taken


def _endpoint(editor: FlaskClient, path: str) -> str:
    adapter = editor.application.url_map.bind("bench")
    try:
        return str(adapter.match(urlsplit(path).path, "GET")[0])
    except Exception:
        return ""


def _time(editor: FlaskClient, path: str) -> tuple[str, list[float]]:
    seconds, page = [], ""
    for _ in range(TIMES):
        begun = time.monotonic()
        answer = editor.get(path, base_url=dataset.BASE_URL)
        page = answer.get_data(as_text=True) if answer.mimetype == "text/html" else ""
        seconds.append(time.monotonic() - begun)
        answer.close()
        if answer.status_code >= SERVER_ERROR:
            raise SystemExit(f"{path} answers {answer.status_code}")
    return page, seconds[1:]  # the first compiles the template


def _late(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]

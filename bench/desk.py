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
from sqlalchemy import text
from tests.delivery.factories import BASE
from tests.web.desk.clients import make_desk, signed_in
from tests.web.factories import create_sent_issue

from bench import looking, stock
from bench.audience import write_audience
from digest.catalog import importing
from digest.catalog.comparison import ReviewerQuote, ToolReview
from digest.catalog.comparison_input import ComparisonInput
from digest.catalog.models import ComparisonVersion
from digest.db import Database, utcnow
from digest.delivery.release import freeze
from digest.editorial.drafts import drafting
from digest.editorial.models import Issue, State
from digest.publications import publications
from digest.signing import Signer

ISSUES, COMPARISONS = 200, 5_000
PAGES_OF_A_KIND, TIMES = 3, 7
_LINK = re.compile(r'(?:href|hx-get)="([^"#]+)')


def measure(kind: str, readers: int) -> list[tuple[str, float]]:
    """(endpoint, 95th percentile in seconds) of each kind of page, the slowest first, and of all together."""
    with stock.database(kind) as url, stock.opened(url) as db, _filled(db, readers) as editor:
        taken = _crawl(editor)
    found = {name: _late(seconds) for name, seconds in taken.items()}
    everything = _late([one for seconds in taken.values() for one in seconds])
    slowest = sorted(found.items(), key=lambda one: -one[1])
    return [(f"any of {len(found)} kinds of page", everything), *slowest]


@contextmanager
def _filled(db: Database, readers: int) -> Iterator[FlaskClient]:
    stock.tables(db)
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as home:
        room = make_desk(db, Path(home))
        with db.begin() as session:
            publication = publications.find(session).id
        for first in range(1, readers + 1, stock.CHUNK):
            with db.begin() as session:
                stock.readers_of(session, publication, first, min(first + stock.CHUNK - 1, readers))
        with db.begin() as session:
            importing.import_comparisons(
                session, [_comparison(number) for number in range(COMPARISONS)], utcnow()
            )
        with db.begin() as session:
            versions = [version for (version,) in session.query(ComparisonVersion.id).limit(3)]
            for number in range(2, 2 + ISSUES):
                create_sent_issue(session, publication, versions, number)
        _mailed(db, room.signer, readers)
        if db.is_client_server:
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE"))
        yield signed_in(room, "owner")


def _mailed(db: Database, signer: Signer, readers: int) -> None:
    """Issue 1 on its way to everybody, half of it gone, and a new draft."""
    with db.begin() as session:
        issue = session.query(Issue).filter(Issue.number == 1).one()
        issue.state, issue.send_at = State.SCHEDULED, utcnow()
        session.flush()
        freeze.freeze(session, issue, signer=signer, base_url=BASE, now=utcnow())
        number = issue.id
    write_audience(db, number)
    looking.half(db, number, readers)
    with db.begin() as session:
        drafting.draft_issue(session, publications.find(session), utcnow(), actor="bench")


def _crawl(editor: FlaskClient) -> dict[str, list[float]]:
    """Seconds of every look, by the kind of page: what has the same address but for its numbers and names."""
    queue, seen, taken = ["/desk/"], {"/desk/"}, defaultdict[str, list[float]](list)
    kinds: defaultdict[str, int] = defaultdict(int)
    while queue:
        path = queue.pop(0)
        endpoint = _endpoint(editor, path)
        if not endpoint.startswith("desk.") or kinds[endpoint] >= PAGES_OF_A_KIND:
            continue
        kinds[endpoint] += 1
        page, seconds = _look(editor, path)
        if not page:  # a file to keep, as long as the audience
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


def _look(editor: FlaskClient, path: str) -> tuple[str, list[float]]:
    seconds, page = [], ""
    for _ in range(TIMES):
        begun = time.monotonic()
        answer = editor.get(path, base_url=BASE)
        page = answer.get_data(as_text=True) if answer.mimetype == "text/html" else ""
        seconds.append(time.monotonic() - begun)
        answer.close()
        if answer.status_code >= 500:
            raise SystemExit(f"{path} answers {answer.status_code}")
    return page, seconds[1:]  # the first compiles the template


def _late(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]


def _comparison(number: int) -> ComparisonInput:
    left, right = f"Tool {number % 700}", f"Rival {number // 700}"
    at = utcnow() - timedelta(hours=4 * (COMPARISONS - number))
    return ComparisonInput(
        left=_side(left, number), right=_side(right, number + 1), quotes=tuple(_quotes()), published_at=at
    )


def _side(tool: str, number: int) -> ToolReview:
    return ToolReview(
        tool=tool,
        tagline="It does what it says.",
        category=f"Category {number % 9}",
        panel_ship=25 * (number % 5),
        community_ship=number % 100 if number % 3 else None,
        entry_price="$20/mo",
        description=stock.WORDS,
    )


def _quotes() -> Iterator[ReviewerQuote]:
    for reviewer in range(1, 5):
        yield ReviewerQuote(side="left", reviewer=reviewer, text=stock.WORDS)
        yield ReviewerQuote(side="right", reviewer=reviewer, text=stock.WORDS)

"""Whatever a request holds, no route answers with an internal error, and none stores a control character."""

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from tests.web.desk.clients import csrf_token, make_desk, signed_in
from tests.web.factories import BASE, Site
from werkzeug.routing import Rule

from digest.db import Database

ROOT = Path(__file__).parents[2]
HEADERS = ("Referer", "HX-Current-URL", "Host", "Accept", "Accept-Language", "X-Forwarded-For", "User-Agent", "Cookie",
    "Range", "If-None-Match", "If-Modified-Since", "Content-Type", "Origin", "Sec-Purpose", "HX-Request")  # fmt: skip


@pytest.fixture
def room(sqlite: Database, tmp_path: Path) -> Site:
    return make_desk(sqlite, tmp_path)


def field_names() -> set[str]:
    """Every field and query parameter that a view reads, as its source names it."""
    found = set()
    for module in (ROOT / "src/digest/web").rglob("*.py"):
        found |= set(
            re.findall(r'(?:form_field|\.get|\.getlist|form|args)[(\[]"([a-z_-]+)"', module.read_text())
        )
    return found


def paths(rule: Rule) -> Iterator[str]:
    """The rule's path with ordinary values, and with a NUL in each of its texts."""
    plain = rule.rule
    for name, converter in rule._converters.items():
        plain = re.sub(rf"<(?:[^<>]*:)?{name}>", "1" if "Row" in type(converter).__name__ else "x", plain)
    yield plain
    for name, converter in rule._converters.items():
        if "Row" not in type(converter).__name__:
            yield re.sub("<[^<>]*>", "1", re.sub(rf"<(?:[^<>]*:)?{name}>", "a%00b", rule.rule))


def test_a_nul_in_any_parameter_of_any_route_is_refused_and_changes_nothing(room: Site) -> None:
    client, names = signed_in(room, "owner"), sorted(field_names())
    assert {"address", "page", "reason"} <= set(names)
    token = csrf_token(client, "/desk/account")
    before = room.count_rows()
    for rule in room.app.url_map.iter_rules():
        for path in paths(rule):
            for method in sorted((rule.methods or set()) & {"GET", "POST"}):
                query = {} if "%00" in path else dict.fromkeys(names, "a\0b")
                form = {"csrf_token": token, **dict.fromkeys(names, "a\0b")} if method == "POST" else None
                answer = client.open(path, method=method, query_string=query, data=form, base_url=BASE)
                assert answer.status_code == (404 if "%00" in path else 400), (method, path)
    assert room.count_rows() == before


def test_each_field_alone_is_refused(room: Site) -> None:
    client = room.app.test_client()
    for name, text in product(("address", "website", "form"), ("a\0@example.org", "\x1b[2J", "\x08", "\x7f")):
        assert client.post("/subscribe", json={name: text}).status_code == 400, (name, text)
        assert client.post("/subscribe", data={name: text}).status_code == 400, (name, text)
    assert client.post("/subscribe", json={"address": "\ud800@example.org"}).status_code == 400


def test_json_that_is_deep_or_hides_a_nul_is_refused(room: Site) -> None:
    hidden = json.dumps({"a": [[[[{"b": "\0"}]]]]})
    for body in ("[" * 8000, '{"a":' * 2500, hidden, "[" * 20 + "]" * 20, "nonsense", ""):
        answer = room.app.test_client().post("/subscribe", data=body, content_type="application/json")
        assert (answer.status_code, answer.get_json()["status"]) == (400, "error"), body[:20]


def test_no_header_causes_an_internal_error(room: Site) -> None:
    client = signed_in(room)
    form = {"csrf_token": csrf_token(client, "/desk/account"), "action": "x"}
    for name, value in product(HEADERS, ("http://[", "[", "\0", "a" * 5000, "\xff", ",;=")):
        headers = {name: value}
        base = None if name == "Host" else BASE
        assert client.get("/metrics", headers=headers, base_url=base).status_code < 500, headers
        assert client.get("/desk/sign-in", headers=headers, base_url=base).status_code < 500, headers
        headers = {"HX-Request": "true", **headers}
        answer = client.post("/desk/issues/1", headers=headers, data=form, base_url=base)
        assert answer.status_code < 500, headers


def test_pasted_text_keeps_its_tabs_line_breaks_and_form_feeds(room: Site) -> None:
    client = signed_in(room)
    form = {"csrf_token": csrf_token(client, "/desk/account"), "page": "no\tcomparison\r\n\x0cat all"}
    assert client.post("/desk/comparisons", data=form, base_url=BASE).status_code == 303

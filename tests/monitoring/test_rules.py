"""The alert rules and the dashboard in docs/ are valid, and name only metrics that exist."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import promql_parser
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event
from tests.monitoring.beats import report
from tests.web.conftest import fill
from tests.web.factories import make_site

from digest.db import Database, database_now
from digest.delivery.ledger.models import Batch, Letter
from digest.editorial.models import Issue
from digest.monitoring import alerts, heartbeats
from digest.monitoring.metrics import render_metrics
from digest.monitoring.problems import Problem

DOCS = Path(__file__).parents[2] / "docs"
RULES, DASHBOARD = DOCS / "monitoring/prometheus-rules.yml", DOCS / "monitoring/grafana-dashboard.json"
LABELS = {"instance", "job"}  # which Prometheus adds


def rules() -> list[dict[str, object]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def expressions() -> Iterator[str]:
    yield from (str(rule["expr"]) for rule in rules())
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def exposed(db: Database, home: Path) -> dict[str, set[str]]:
    """The metrics of a service in which everything happens, with their labels."""
    fill(make_site(db, home))
    report(db, "worker", "beat", "queue", ago=timedelta(minutes=4))
    with db.begin() as session:
        now = database_now(session)
        heartbeats.record_backup(session, now)
        alerts.update_alerts(session, [Problem("worker", "x", "y")], "host", now, has_webhook=False)
        session.get_one(Issue, 1).state = "sending"
    with db.read() as session:
        page = render_metrics(session, home, database_now(session)).decode()
    return {
        family.name: {label for sample in family.samples for label in sample.labels}
        for family in text_string_to_metric_families(page)
    }


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
            if (child := getattr(node, name, None)) is not None:
                visit(child)
        for child in getattr(node, "args", None) or ():
            visit(child)

    visit(promql_parser.parse(expression))
    return iter(found)


def test_every_rule_and_panel_is_valid_and_names_metrics_and_labels_that_exist(
    sqlite: Database, tmp_path: Path
) -> None:
    known = exposed(sqlite, tmp_path)
    used = set()
    for expression in expressions():
        named = list(selectors(expression))
        assert {selector.name for selector in named} == set(re.findall(r"\bdigest_\w+", expression))
        for selector in named:
            assert selector.name in known, expression
            used.add(selector.name)
            for matcher in selector.matchers.matchers:
                assert matcher.name in known[selector.name] | LABELS, expression
    assert set(known) == used | {"digest_batches_oldest_due_seconds"}  # of use beside digest_batches_waiting


def test_every_rule_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[mh]", str(rule.get("for", "1m")))
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}  # type: ignore[index]
        assert set(rule["annotations"]) == {"summary", "description"}  # type: ignore[call-overload]


def test_no_metric_reads_a_large_table_from_end_to_end(sqlite: Database, tmp_path: Path) -> None:
    exposed(sqlite, tmp_path)
    with sqlite.begin() as session:
        now = database_now(session)
        session.add(Letter(kind="confirm", due_at=now, created_at=now))
        session.add(Batch(issue_id=1, due_at=now, size=1))
    asked: list[tuple[str, object]] = []
    with sqlite.read() as session:
        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", lambda *about: asked.append((about[2], about[3])))
        render_metrics(session, tmp_path, database_now(session))
    with sqlite.engine.connect() as connection:
        plans = [
            str(step[3])
            for statement, values in asked
            if statement.lstrip().upper().startswith("SELECT")
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    assert any("SEARCH delivery" in step for step in plans)
    scanned = {
        step for step in plans if re.match(r"SCAN (delivery|batch|letter|frozen_issue|subscriber)\b", step)
    }
    assert not scanned

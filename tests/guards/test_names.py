"""Names that were replaced by the field's standard terms do not come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "digest"

# Classes, functions, methods and constants that may not be defined anywhere: old name -> new name.
REPLACED = {
    "Alone": "LocalRateLimiter",
    "Allowance": "HostPolicy",
    "Answers": "OutcomeRecorder",
    "Complaints": "LogThrottle",
    "Contender": "CandidateSide",
    "Cuts": "PartBlocks",
    "Evidence": "ProgressJournal",
    "Granted": "Permit",
    "Hand": "BatchInProgress",
    "House": "AppContext",
    "HouseRule": "SecurityPolicy",
    "LineLost": "ConnectionLost",
    "Manuscript": "IssueSnapshot",
    "Nap": "Sleep",
    "Pace": "SharedRateLimiter",
    "Paper": "Publication",
    "Place": "ExistingPath",
    "Plate": "MessageTemplate",
    "Pressed": "CompiledIssue",
    "Proof": "SenderAuthResult",
    "Saying": "PullQuote",
    "Shift": "SendContext",
    "Sight": "CheckResults",
    "Stop": "RelayStop",
    "Summary": "SettingsView",
    "Talk": "Task",
    "Taste": "Teaser",
    "Told": "DeliveryRow or RevisionSummary",
    "Trial": "TestSend",
    "Turns": "EventLoop",
    "Visit": "Session",
    "Watch": "DeliveryObserver or LivenessMonitor",
    "Withdrawn": "MessageCancelled",
    "app_codes": "totp",
    "bring_in": "import_file",
    "charge": "debit",
    "charge_all": "debit",
    "converse": "send_all_blocking",
    "dotless": "is_wire_ready",
    "fewest_picks": "min_picks",
    "go_on": "extend",
    "handing_over": "before_body",
    "hurried": "is_rate_complaint",
    "keep_to_the_paper": "publication context",
    "know_all": "set_rates",
    "let_in": "reset",
    "lift_veto": "lift_exclusion",
    "line_up": "reserve",
    "look": "check, preview or read, by what it does",
    "look_again": "refilter",
    "look_over": "check_issue",
    "note_issue": "record_issue",
    "nudge": "enqueue_soon",
    "nudger": "create_enqueuer",
    "pressed": "compile_issue",
    "put_back": "requeue",
    "put_down": "release",
    "read_on": "load_next_group",
    "settle": "reconcile",
    "slow_down": "throttle",
    "still_good": "revalidate",
    "time_out": "back_off",
    "told": "format or describe, by what it does",
    "unsaid": "suppressed",
    "veto": "exclude",
    "vetoed": "is_excluded",
    "vetoes": "exclusions",
    "wanted_picks": "picks_per_issue",
}
# Modules and packages: old name -> new name.
REPLACED_MODULES = {
    "acts": "draft_actions",
    "alone": "local rate limiter",
    "app_codes": "totp",
    "clash": "edit_conflict",
    "complaints": "log_throttle",
    "eyes": "preview_audience",
    "gate": "auth",
    "hand": "batch_in_progress",
    "handshake": "relay_test",
    "held": "subject_access",
    "imprint": "footer_address",
    "issue_facts": "issue_output",
    "last_looks": "review_markers",
    "looking": "external_check_worker",
    "looks": "external_check_queue",
    "manuscript": "snapshot",
    "moves": "reorder",
    "noting": "audit",
    "nudges": "reminders",
    "occasions": "slots",
    "outside": "external_checks",
    "pace": "rate_limit",
    "people": "users",
    "place": "parameter_types",
    "plate": "message_template",
    "press": "compile",
    "pressing": "compiled_issue",
    "promises": "schedule_notes",
    "quoted": "quoted_printable",
    "recall": "unfreeze",
    "rivals": "alternatives",
    "running": "processes",
    "saving": "autosave",
    "seal": "encryption",
    "shift": "send_context",
    "stoppage": "relay_stop",
    "story": "demo_scenario",
    "told": "delivery_list",
    "trial": "test_sends",
    "trials": "test_sends",
    "turns": "event loop",
    "verdicts": "teasers",
    "visits": "sessions",
    "waits": "hold_reason",
}
VAGUE_MODULES = {"common", "helpers", "misc", "service", "util", "utils"}


def definitions() -> Iterator[tuple[str, str]]:
    """(place, name) of every class, function, method and module constant or field in src."""
    for path in sorted(SOURCE.rglob("*.py")):
        module = f"src/digest/{path.relative_to(SOURCE)}"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}:{node.lineno}", node.name
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield f"{module}:{node.lineno}", node.target.id


def test_replaced_names_are_not_defined_again() -> None:
    faults = [
        f"{place} defines {name}; call it {REPLACED[bare]}"
        for place, name in definitions()
        if (bare := name.lstrip("_")) in REPLACED
    ]
    assert not faults, "\n".join(faults)


def test_replaced_modules_do_not_come_back() -> None:
    faults = []
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix != ".py" and not (path / "__init__.py").exists():
            continue
        if new := REPLACED_MODULES.get(path.stem):
            faults.append(f"src/digest/{path.relative_to(SOURCE)} has an old name; call it {new}")
        if path.stem in VAGUE_MODULES:
            faults.append(f"src/digest/{path.relative_to(SOURCE)} says nothing about what is in it")
    assert not faults, "\n".join(faults)


def test_tests_are_not_named_after_replaced_modules() -> None:
    faults = [
        f"{path.name} has an old name; call it test_{new}.py"
        for path in sorted(Path(__file__).parents[1].rglob("test_*.py"))
        if (new := REPLACED_MODULES.get(path.stem.removeprefix("test_")))
    ]
    assert not faults, "\n".join(faults)


def test_every_replaced_name_is_a_name() -> None:
    for old in (*REPLACED, *REPLACED_MODULES):
        assert re.fullmatch(r"[A-Za-z_]+", old), old

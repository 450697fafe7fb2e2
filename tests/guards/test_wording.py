"""What people read uses the product's plain words, not the ones that were replaced."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from digest.cli import COMMANDS
from digest.cli import main as command

ROOT = Path(__file__).parents[2]
TEMPLATES = {"site": "src/digest/web/templates", "email": "templates/email"}

# Old wording (a regular expression, any case) -> what to write. Each is distinctive: plain English is not caught.
REPLACED = {
    r"\bcome in\b": "sign in",
    r"one press, and": "finish signing in",
    r"\bbring some\b": "import",
    r"\blook at it first\b": "review",
    r"\bmake (?:this|it)\?|\bmake nothing\b": "import / discard",
    r"what becomes of each": "details",
    r"\bdraft(?:ed)? (?:it )?anew\b": "regenerate",
    r"\bits rivals\b": "alternatives",
    r"\blet back\b": "restore",
    r"\bkeep out\b": "exclude",
    r"\bas it will look\b": "preview",
    r"wait for a word": "warnings",
    r"why may it go out": "reason",
    r"\blet it pass\b": "ignore",
    r"\bwhen does it go out\b": "schedule",
    r"\bor not at all\b": "cancel issue",
    r"(?:change the|another) hour\b": "reschedule",
    r"see what would happen": "update summary",
    r"look through (?:their|her|his|anybody's) eyes": "preview as reader",
    r"nobody in particular": "clear",
    r"looked it through": "mark as reviewed",
    r"two of you wrote": "edit conflict",
    r"a text of both": "merge",
    r"\blet mine go\b": "discard mine",
    r"\brather not\b": "cancel",
    r"\bask it of everybody\b": "require two-factor authentication",
    r"\bsecond factors?\b": "two-factor authentication",
    r"draw new (?:recovery )?codes": "generate codes",
    r"\bbegin it\b": "create publication",
    r"so many days before": "create the draft N days before",
    r"so long after the hour": "cancel window",
    r"why we may\b": "consent source",
    r"left because of it": "unsubscribed",
    r"was to get it": "not sent",
    r"who got it\b": "deliveries",
    r"who did what": "activity",
    r"(?:this|your|the current|another|whole) paper\b": "publication",
    r"\bthe log\b": "activity",
    r"is not yours to do": "you don't have permission",
    r"your role lets you look": "you don't have permission",
    r"\bhouse\b": "digest, server or team",
    r"\bmend\b": "fix",
    r"\bonce more\b": "again",
}
# The same for everything else that is written: logs, errors, comments, docstrings and the documentation.
REPLACED_EVERYWHERE = {
    "has their mail all the same": "still gets this mail",
    "without whom it says it of": "mask addresses in stored replies",
    "has seen to what becomes": "has recorded the outcome",
    "what stands in the ledger": "current rows",
    "every seat taken|free seat": "no free connection slot",
    "relay stops us": "relay refused; backing off",
    r"issue is unfit": "issue cannot be sent",
    "batch put down": "batch released",
    "limiter counts alone": "rate-limit store unreachable, using local limit",
    r"can no longer come in\b": "was removed",
    "in a home of its own": "in a temporary data directory",
    "how to mend": "suggest fixes",
    "who comes in to": "manage users",
    "somebody else was faster": "changed by another request",
    "the database refuses": "database error",
    "give them a minute": "try again in a minute",
    "part of the house": "dependency not configured",
    "reporting a hole": "reporting a vulnerability",
    "mailbox that is gone": "do not fail the canary on a single bounce",
    r"digest people\b": "digest users, digest audit-log",
    "what came of it": "the result",
    "to take this back": "to undo this",
    "bring no reader": "skipped rows",
    "only they can come back": "only they can resubscribe",
    "in the clear": "unencrypted",
    "are the most": "the limit is",
    "cannot stand in": "is not valid in",
}
PATTERNS = {re.compile(old, re.IGNORECASE): plain for old, plain in REPLACED.items()}


def visible_text(source: str) -> str:
    """A template's text without comments, tags and expressions; line breaks stay, so that lines can be named."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    for hidden in (r"\{#.*?#\}", r"<!--.*?-->", r"<(?:style|script)\b.*?</(?:style|script)>"):
        source = re.sub(hidden, blank, source, flags=re.DOTALL | re.IGNORECASE)
    return source


def old_words(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, old words, what to write) of each hit."""
    for pattern, plain in PATTERNS.items():
        for hit in pattern.finditer(text):
            yield text.count("\n", 0, hit.start()) + 1, hit[0], plain


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, str]]:
    """(command, its whole help) of a group and everything in it."""
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        assert found is not None
        full_name = f"{prefix} {name}"
        yield full_name, found.get_help(click.Context(found, info_name=full_name))
        if isinstance(found, click.Group):
            yield from commands(found, full_name)


@pytest.mark.parametrize("folder", TEMPLATES.values(), ids=TEMPLATES)
def test_templates_use_the_plain_words(folder: str) -> None:
    paths = [
        path
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".html", ".txt", ".mjml", ".xml"}
    ]
    assert len(paths) > 15
    faults = [
        f"{path.relative_to(ROOT)}:{line} says “{old}”; write “{plain}”"
        for path in paths
        for line, old, plain in old_words(visible_text(path.read_text()))
    ]
    assert not faults, "\n".join(faults)


def test_help_of_every_command_uses_the_plain_words() -> None:
    assert isinstance(command, click.Group)
    texts = dict(commands(command, "digest"))
    texts["digest"] = command.get_help(click.Context(command, info_name="digest"))
    assert set(COMMANDS) <= {name.split()[-1] for name in texts}
    faults = [
        f"`{name} --help` says “{old}”; write “{plain}”"
        for name, text in texts.items()
        for _, old, plain in old_words(" ".join(text.split()))
    ]
    assert not faults, "\n".join(faults)


def test_old_wording_is_found_but_not_inside_comments() -> None:
    text = visible_text("<p>Fine</p>\n{# Rather not #}\n<button>Rather not</button>")
    assert [(line, old) for line, old, _ in old_words(text)] == [(3, "Rather not")]


def test_old_wording_is_gone_from_code_and_documentation() -> None:
    patterns = {re.compile(old, re.IGNORECASE): plain for old, plain in REPLACED_EVERYWHERE.items()}
    paths = [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
    ]
    faults = [
        f"{path.relative_to(ROOT)} says “{hit[0]}”; write “{plain}”"
        for path in paths
        if (text := " ".join(path.read_text().split()))
        for pattern, plain in patterns.items()
        for hit in pattern.finditer(text)
    ]
    assert not faults, "\n".join(faults)

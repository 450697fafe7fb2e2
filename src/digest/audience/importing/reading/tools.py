"""Tools that are recognized by the columns of their exports, where the columns' names alone would mislead."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Final

from digest.audience.importing.reading.columns import Column
from digest.audience.importing.reading.folding import fold_words
from digest.audience.importing.reading.statuses import ImportStatus, NameSense, Role


@dataclass(frozen=True)
class Tool:
    """A tool's export: the columns that give it away, and those to read differently."""

    name: str
    signs: tuple[frozenset[str], ...]  # any of these sets of column names
    roles: dict[str, Role]
    words: dict[str, dict[str, ImportStatus]]  # by column, then by cell


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _load() -> tuple[Tool, ...]:
    text = resources.files(__package__).joinpath("tools.toml").read_text("utf-8")
    return tuple(_tool(facts) for facts in tomllib.loads(text)["tool"])


def _tool(facts: dict[str, Any]) -> Tool:
    roles = {name: role for role in Role for name in _names(facts.get(role.name.lower(), ""))}
    words = {
        column: {cell: ImportStatus[status.upper()] for cell, status in meanings.items()}
        for column, meanings in facts.get("words", {}).items()
    }
    return Tool(facts["name"], tuple(frozenset(_names(signs)) for signs in facts["signs"]), roles, words)


TOOLS: Final = _load()


def recognize(names: Sequence[str]) -> Tool | None:
    """Return the tool that wrote a file with these columns, or None."""
    folded = {_fold(name) for name in names}
    if "email address" in folded or "e mail" in folded:
        folded.add("email")
    return next((tool for tool in TOOLS if any(signs <= folded for signs in tool.signs)), None)


def adapt(tool: Tool | None, column: Column) -> Column:
    """Return the column as this tool means it."""
    if tool is None:
        return column
    name = _fold(column.name)
    words = tool.words.get(name, {})
    role = tool.roles.get(name)
    return (
        replace(column, words=words)
        if role is None
        else replace(column, role=role, sense=NameSense.HARMLESS, is_weak=False, words=words)
    )


def _fold(name: str) -> str:
    return fold_words(name).removesuffix(" 1 0")  # phpList: "Is this subscriber confirmed (1/0)"


def whole_file_status(tool: Tool | None, names: Sequence[str], file_name: str) -> ImportStatus | None:
    """Return the status of every row of a file that Mailchimp wrote about those who may not be mailed; else None.

    Mailchimp exports each status to a file of its own, which has no column for it.
    """
    if tool is None or tool.name != "Mailchimp":
        return None
    folded = {fold_words(name) for name in names}
    is_unsubscribed, is_cleaned = "unsub time" in folded, "clean time" in folded
    if file_name.lower().startswith(("nonsubscribed", "non-subscribed", "non_subscribed")):
        return ImportStatus.NOT_SUBSCRIBED
    if is_unsubscribed != is_cleaned:
        return ImportStatus.UNSUBSCRIBED if is_unsubscribed else ImportStatus.BOUNCED
    if not is_unsubscribed and file_name.lower().startswith(("unsubscribed", "cleaned")):
        return ImportStatus.UNSUBSCRIBED if file_name.lower().startswith("unsub") else ImportStatus.BOUNCED
    return None

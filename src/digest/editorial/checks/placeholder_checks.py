"""Checks for text that is still to be written or filled in: merge fields, placeholders, links to example domains."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from digest.editorial.checks.addresses import is_reserved_domain
from digest.editorial.checks.finding import Finding, blocker, warning
from digest.editorial.checks.placeholders import find_dummy_text, find_merge_fields, find_placeholders
from digest.editorial.checks.texts import EditorText, blank_code, editor_texts, extract_links, inbox_texts
from digest.editorial.models import Issue
from digest.render.content import Edition

_MAX_QUOTED_CHARS = 40


def check_placeholders(issue: Issue) -> Iterator[Finding]:
    """Yield every placeholder in the texts of the issue and of its publication."""
    publication = issue.publication
    settings = (
        EditorText("the publication's tagline", "publication", publication.tagline),
        EditorText("the postal address", "publication", publication.postal_address),
    )
    for text in (*inbox_texts(issue), *settings):
        yield from _check_text(text, text.markdown)
    for text in editor_texts(issue):
        yield from _check_text(text, blank_code(text.markdown))
        yield from _check_links(text)


def check_compared_texts(edition: Edition) -> Iterator[Finding]:
    """Yield the placeholders in what the comparisons say; a reviewer may well write about a TODO list or {{ }}."""
    for position, block in enumerate(edition.blocks, start=1):
        sides = ((side.tagline, side.description) for side in (block.left, block.right))
        texts = (*(text for side in sides for text in side), *(quote.text for quote in block.quotes))
        found = dict.fromkeys(match.found for text in texts for match in find_dummy_text(text))
        for placeholder in found:
            text = f"{block.title}, pick {position}, contains the placeholder “{placeholder}”."
            yield warning(
                "placeholder", text, "Correct the comparison.", "picks", f"{block.slug} {placeholder}"
            )


def _check_text(source: EditorText, searched: str) -> Iterator[Finding]:
    """Search a text; `searched` is what readers will see of it other than as code."""
    for match in find_merge_fields(searched):
        place, field = source.describe_place(match.line), match.found[:_MAX_QUOTED_CHARS]
        text = f"{place} contains {field}, which readers would see as it is."
        fix = "Replace it with plain text: merge fields are not supported."
        yield blocker("merge field", text, fix, source.location)
    for match in find_placeholders(searched):
        text = f"{source.describe_place(match.line)} contains the placeholder “{match.found[:_MAX_QUOTED_CHARS]}”."
        key = f"{source.location} {match.found}"
        yield warning("placeholder", text, "Replace it with the final text.", source.location, key)


def _check_links(source: EditorText) -> Iterator[Finding]:
    for url in extract_links(source.markdown):
        host = _host_of(url)
        if host and ("." not in host or is_reserved_domain(host)):
            text = f"{source.label.capitalize()} links to {url[:_MAX_QUOTED_CHARS]}, which is a placeholder."
            yield warning(
                "placeholder link",
                text,
                "Enter the real address.",
                source.location,
                f"{source.location} {url}",
            )


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in {"http", "https"} else ""

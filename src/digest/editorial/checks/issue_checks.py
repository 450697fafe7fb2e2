"""Checks of what an issue says and how its publication is set up. Blockers must be fixed; warnings may be waived."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from digest.editorial import editions
from digest.editorial.checks import (
    absent_tool_checks,
    freshness_checks,
    markdown_checks,
    placeholder_checks,
    variant_checks,
)
from digest.editorial.checks.addresses import is_reserved_domain
from digest.editorial.checks.finding import Finding, Level, blocker, note, sort_by_level, warning
from digest.editorial.checks.texts import editor_texts, extract_links, is_followable
from digest.editorial.models import Issue
from digest.editorial.selection import candidates
from digest.loopback import is_loopback_url
from digest.render.inbox_lines import MAX_PREHEADER_CHARS, MAX_SUBJECT_CHARS

# Gmail clips HTML beyond about 102 kB, and the unsubscribe link with it.
WARN_BYTES, GMAIL_CLIP_BYTES = 90_000, 102_000
_SIZE_STEP_BYTES = 2_000
_MAX_QUOTED_CHARS = 40


def check_issue(
    session: Session,
    issue: Issue,
    *,
    base_url: str,
    html_bytes: int | None = None,
    now: datetime | None = None,
) -> list[Finding]:
    """Return every finding on the issue as it stands, blocking ones first.

    `html_bytes` is the size of the largest variant's HTML; None skips the size check. Without `now` nothing counts
    as too old.
    """
    edition = editions.build_edition(session, issue, base_url)
    return sort_by_level(
        (
            *_check_picks(session, issue),
            *freshness_checks.check_freshness(session, issue, now),
            *_check_subject(issue),
            *_check_preheader(issue),
            *_check_size(html_bytes),
            *_check_links(issue),
            *placeholder_checks.check_placeholders(issue),
            *placeholder_checks.check_compared_texts(edition),
            *markdown_checks.check_markdown(issue),
            *absent_tool_checks.check_absent_tools(session, issue, edition),
            *variant_checks.check_variants(session, issue, edition),
            *_check_publication(issue, is_local=is_loopback_url(base_url)),
            *_check_base_url(base_url),
        )
    )


def _check_picks(session: Session, issue: Issue) -> Iterator[Finding]:
    if not issue.picks:
        text = f"Issue {issue.number} has no picks."
        yield blocker("no picks", text, "Add a comparison, or regenerate the draft.", "add")
        return
    if issue.is_thin:
        minimum = issue.publication.min_picks
        text = f"This issue has {len(issue.picks)} of at least {minimum} picks."
        yield warning("thin week", text, "Add a comparison, wait a week, or send it anyway.", "add")
    for comparison_id, title, number in _sent_before(session, issue):
        text, fix = f"{title} was in issue {number}.", "Remove it, or explain in a note why it is back."
        yield warning("sent before", text, fix, f"pick-{comparison_id}")


def _check_subject(issue: Issue) -> Iterator[Finding]:
    length = len(issue.subject.strip())
    if not length:
        yield blocker("no subject", "The subject is empty.", "Write a subject.", "subject")
    elif length > MAX_SUBJECT_CHARS:
        text = f"The subject has {length} characters. Phones cut it off after {MAX_SUBJECT_CHARS} or fewer."
        yield warning("long subject", text, "Shorten it, or start with what matters most.", "subject")


def _check_preheader(issue: Issue) -> Iterator[Finding]:
    preheader = issue.preheader.strip()
    if not preheader:
        if issue.picks:
            text = "The preheader is empty. Inboxes will show the first words of the email instead."
            yield warning("no preheader", text, "Write a line that continues the subject.", "preheader")
    elif preheader.casefold() == issue.subject.strip().casefold():
        text = "The preheader repeats the subject."
        yield warning("same preheader", text, "Add something that the subject does not say.", "preheader")
    elif len(preheader) > MAX_PREHEADER_CHARS:
        text = f"The preheader has {len(preheader)} characters. Inboxes show at most {MAX_PREHEADER_CHARS}."
        yield note("long preheader", text, "Shorten it.", "preheader")


def _check_size(html_bytes: int | None) -> Iterator[Finding]:
    if html_bytes is None or html_bytes < WARN_BYTES:
        return
    text = f"The email's HTML is {html_bytes / 1000:.0f} kB. Gmail clips it at {GMAIL_CLIP_BYTES // 1000} kB."
    level = Level.BLOCKING if html_bytes >= GMAIL_CLIP_BYTES else Level.WARNING
    # In steps, or every word that is written would void the waiver.
    key = str(html_bytes // _SIZE_STEP_BYTES)
    yield Finding("size", level, text, "Remove a pick, or shorten the intro and the notes.", "picks", key)


def _check_links(issue: Issue) -> Iterator[Finding]:
    for source in editor_texts(issue):
        for url in extract_links(source.markdown):
            if not is_followable(url):
                target = repr(url[:_MAX_QUOTED_CHARS])
                text = f"{source.label.capitalize()} links to {target}, which is not a web or email address."
                yield blocker("link", text, "Start the link with https:// and a domain.", source.location)


def _check_publication(issue: Issue, *, is_local: bool) -> Iterator[Finding]:
    publication = issue.publication
    if not publication.postal_address.strip():
        text = "The publication has no postal address. Many countries require one in every issue by law."
        yield warning("postal address", text, "Add one in the publication's settings.", "publication")
    domain = publication.sender_address.rpartition("@")[2].lower()
    if is_reserved_domain(domain):
        text = f"The sender's domain, {domain}, is reserved for examples. Mail providers reject it."
        finding = note if is_local else warning
        yield finding("sender domain", text, "Use a sender address at your own domain.", "publication")


def _check_base_url(base_url: str) -> Iterator[Finding]:
    if base_url.startswith("https://"):
        return
    if is_loopback_url(base_url):
        text = f"Links lead to {base_url}, which only this machine can open. Fine for a trial."
        fix = "Set DIGEST_BASE_URL to the public https:// address before you email readers."
        yield note("base URL", text, fix)
        return
    text = (
        f"Links lead to {base_url}, which does not use HTTPS. One-click unsubscribe will not work, "
        "and spam filters may object."
    )
    # A warning: an office without TLS may go on, for the links themselves work.
    yield warning("base URL", text, "Set DIGEST_BASE_URL to the public https:// address.")


def _sent_before(session: Session, issue: Issue) -> Sequence[tuple[int, str, int]]:
    """(comparison id, title, issue number) of each pick that an earlier issue held with the same verdict."""
    picked = [pick.comparison_id for pick in issue.picks]
    found = candidates.list_by_ids(session, issue.publication_id, picked, excluding_issue_id=issue.id)
    repeated = [
        (candidate.comparison_id, candidate.title, candidate.last_issue_number)
        for candidate in found
        if candidate.last_issue_number is not None and candidate.previous_verdict is None
    ]
    return sorted(repeated, key=lambda row: row[1])

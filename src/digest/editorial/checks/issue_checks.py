"""What could go wrong with an issue, said before it does. What blocks must be mended; a warning may be waived."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from sqlalchemy.orm import Session

from digest.editorial.checks import freshness_checks
from digest.editorial.checks.finding import Finding, Level, select_blocking, note, blocker, warning
from digest.editorial.drafts.default_texts import MAX_PREHEADER_CHARS, MAX_SUBJECT_CHARS
from digest.editorial.models import Issue
from digest.editorial.selection import candidates
from digest.loopback import is_loopback_url


# Gmail clips what is larger than about 102 kB of HTML, and the unsubscribe link with it.
WARN_BYTES, GMAIL_CLIP_BYTES = 90_000, 102_000
# Of any mail tool; short ones, for a text full of openings must not be searched to its end from each. `[[1]](url)` is a
# link of ours, and none of theirs.
_MERGE = re.compile(
    r"\{\{.{0,200}?\}\}|\{%.{0,200}?%\}|\*\|.{0,200}?\|\*|%%\w{1,200}%%|\[\[[^\[\]]{0,200}\]\](?!\()",
    re.DOTALL,
)
_RESERVED = ("example", "test", "invalid", "localhost", "local")
_RESERVED_SECOND = ("example.com", "example.net", "example.org")
_SHOWN = 40  # characters of somebody's text in a check


def check_issue(
    session: Session,
    issue: Issue,
    *,
    base_url: str,
    html_bytes: int | None = None,
    now: datetime | None = None,
) -> list[Finding]:
    """Every finding on the issue as it stands, what blocks first; empty when all is well.

    `html_bytes` is the size of the largest variant's HTML (`Pressed.html_bytes`); None leaves the size unchecked.
    Without `now` nothing is too old.
    """
    found = [
        *_picks(session, issue),
        *freshness_checks.check_freshness(session, issue, now),
        *_subject(issue),
        *_preheader(issue),
        *_size(html_bytes),
        *_links(issue),
        *_merge_fields(issue),
        *_publication(issue, trial=is_local_site(base_url)),
        *_base(base_url),
    ]
    return sorted(found, key=lambda check: list(Level).index(check.level))


def is_local_site(base_url: str) -> bool:
    """Whether the public site is on this machine alone: somebody tries it out, and no reader can open a link."""
    return is_loopback_url(base_url)


def is_reserved_domain(domain: str) -> bool:
    """Whether a domain is one for examples and tests (RFC 2606, 6761), which nobody can send from."""
    labels = domain.lower().split(".")
    return labels[-1] in _RESERVED or ".".join(labels[-2:]) in _RESERVED_SECOND


def editor_texts(issue: Issue) -> Sequence[tuple[str, str, str]]:
    """(what it is, where it is mended, the Markdown) of each text that an editor wrote."""
    notes = [
        (f"the note on pick {pick.position}", f"note-{pick.comparison_id}", pick.note)
        for pick in issue.picks
        if pick.note
    ]
    return [("the intro", "intro", issue.intro), *notes]


def _picks(session: Session, issue: Issue) -> Iterator[Finding]:
    if not issue.picks:
        yield blocker(
            "no picks", f"Issue {issue.number} has no picks.", "Add a comparison, or draft it anew.", "add"
        )
        return
    if issue.is_thin:
        fewest = issue.publication.fewest_picks
        text = f"It has {len(issue.picks)} of at least {fewest} picks."
        yield warning("thin week", text, "Add a comparison, wait a week, or send it as it is.", "add")
    for comparison, name, number in _sent_before(session, issue):
        text, mend = f"{name} was in issue {number}.", "Drop it, or say in a note why it is here again."
        yield warning("sent before", text, mend, f"pick-{comparison}")


def _subject(issue: Issue) -> Iterator[Finding]:
    length = len(issue.subject.strip())
    if not length:
        yield blocker("no subject", "The subject is empty.", "Write one.", "subject")
    elif length > MAX_SUBJECT_CHARS:
        text = f"The subject has {length} characters; phones cut it off after {MAX_SUBJECT_CHARS} at the latest."
        yield warning("long subject", text, "Shorten it, or put what matters first.", "subject")


def _preheader(issue: Issue) -> Iterator[Finding]:
    text = issue.preheader.strip()
    if not text:
        if issue.picks:
            said = "The preheader is empty; inboxes then show the mail's first words."
            yield warning("no preheader", said, "Write a line that goes on where the subject ends.", "preheader")
    elif text.casefold() == issue.subject.strip().casefold():
        said = "The preheader says the same as the subject."
        yield warning("same preheader", said, "Say something more.", "preheader")
    elif len(text) > MAX_PREHEADER_CHARS:
        said = f"The preheader has {len(text)} characters; inboxes show {MAX_PREHEADER_CHARS} at the most."
        yield note("long preheader", said, "Shorten it.", "preheader")


def _size(html_bytes: int | None) -> Iterator[Finding]:
    if html_bytes is None or html_bytes < WARN_BYTES:
        return
    text = f"The mail's HTML has {html_bytes / 1000:.0f} kB; Gmail hides what comes after {GMAIL_CLIP_BYTES // 1000} kB."
    level = Level.BLOCKING if html_bytes >= GMAIL_CLIP_BYTES else Level.WARNING
    # Two thousand bytes more or less are the same finding: else every word would ask anew.
    bound = str(html_bytes // 2000)
    yield Finding("size", level, text, "Drop a pick, or shorten the intro and the notes.", "picks", bound)


def _links(issue: Issue) -> Iterator[Finding]:
    for where, place, text in editor_texts(issue):
        for url in extract_links(text):
            if not _followable(url):
                found = f"{where.capitalize()} links to {url[:_SHOWN]!r}, which is no web or mail address."
                yield blocker("link", found, "Begin it with https:// and name a site.", place)


def _merge_fields(issue: Issue) -> Iterator[Finding]:
    words = (("the subject", "subject", issue.subject), ("the preheader", "preheader", issue.preheader))
    for where, place, text in (*words, *editor_texts(issue)):
        for field in dict.fromkeys(_MERGE.findall(text)):
            found = f"{where.capitalize()} holds {field[:_SHOWN]}, and every reader would see just that."
            yield blocker(
                "merge field", found, "Write it out or take it away: nothing is filled in here.", place
            )


def _publication(issue: Issue, *, trial: bool) -> Iterator[Finding]:
    publication = issue.publication
    if not publication.postal_address.strip():
        text = "The publication has no postal address, which the law of many countries wants in every issue."
        yield warning("postal address", text, "Add it to the publication.", "publication")
    domain = publication.sender_address.rpartition("@")[2].lower()
    if is_reserved_domain(domain):
        text = f"The sender's domain, {domain}, is one for examples; receivers refuse it."
        say = note if trial else warning
        yield say("sender domain", text, "Give the publication an address of your own domain.", "publication")


def _base(base_url: str) -> Iterator[Finding]:
    if base_url.startswith("https://"):
        return
    if is_local_site(base_url):
        text = f"Links lead to {base_url}, which nobody but this machine can open: this is a trial."
        yield note(
            "base URL", text, "Set DIGEST_BASE_URL to the public https:// address before you mail readers."
        )
        return
    text = (
        f"Links lead to {base_url}, which is not https: readers cannot leave in one click, and filters mind."
    )
    # An office without TLS may go on: the links work, only less well.
    yield warning("base URL", text, "Set DIGEST_BASE_URL to the public https:// address.")


def extract_links(markdown: str) -> list[str]:
    """The targets of the links in a Markdown text, in order, each once, also those that a mail would leave out."""
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20})
    setattr(parser, "validateLink", lambda _url: True)  # noqa: B010  mypy: a method; a bad link is told, not hidden
    inline = (child for token in parser.parse(markdown) for child in token.children or ())
    return list(
        dict.fromkeys(str(child.attrGet("href") or "") for child in inline if child.type == "link_open")
    )


def _followable(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _sent_before(session: Session, issue: Issue) -> Sequence[tuple[int, str, int]]:
    picked = [pick.comparison_id for pick in issue.picks]
    found = candidates.list_by_ids(session, issue.publication_id, picked, excluding_issue_id=issue.id)
    again = [
        (c.comparison_id, f"{c.left.tool} vs {c.right.tool}", c.last_issue_number)
        for c in found
        if c.last_issue_number is not None and c.previous_verdict is None
    ]
    return sorted(again, key=lambda one: one[1])


__all__ = ["Finding", "Level", "select_blocking", "extract_links", "is_local_site", "is_reserved_domain", "check_issue", "editor_texts"]

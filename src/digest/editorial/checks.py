"""What could go wrong with an issue, said before it does. What blocks must be mended; a warning may be waived."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.catalog.models import Comparison, ComparisonVersion
from digest.catalog.read import stands
from digest.editorial import candidates
from digest.editorial.models import Issue, Pick
from digest.editorial.texts import SUBJECT_CHARS

# Gmail clips what is larger than about 102 kB of HTML, and the unsubscribe link with it.
WARN_BYTES, BLOCK_BYTES = 90_000, 102_000
# Of any mail tool; short ones, for a text full of openings must not be searched to its end from each. `[[1]](url)` is a
# link of ours, and none of theirs.
_MERGE = re.compile(
    r"\{\{.{0,200}?\}\}|\{%.{0,200}?%\}|\*\|.{0,200}?\|\*|%%\w{1,200}%%|\[\[[^\[\]]{0,200}\]\](?!\()",
    re.DOTALL,
)
_RESERVED = ("example", "test", "invalid", "localhost", "local")
_RESERVED_SECOND = ("example.com", "example.net", "example.org")
_SHOWN = 40  # characters of somebody's text in a check


class Level(StrEnum):
    """Whether an issue may go out with it."""

    BLOCKING = "blocking"
    WARNING = "warning"


@dataclass(frozen=True)
class Check:
    """One finding: what is wrong in one sentence, and how to mend it in another."""

    name: str
    level: Level
    text: str
    mend: str


def run(session: Session, issue: Issue, *, base_url: str, html_bytes: int | None = None) -> list[Check]:
    """Every finding on the issue as it stands, what blocks first; empty when all is well.

    `html_bytes` is the size of the largest variant's HTML (`Pressed.html_bytes`); None leaves the size unchecked.
    """
    found = [
        *_picks(session, issue),
        *_subject(issue),
        *_size(html_bytes),
        *_links(issue),
        *_merge_fields(issue),
        *_publication(issue),
        *_base(base_url),
    ]
    return sorted(found, key=lambda check: check.level != Level.BLOCKING)


def blocking(checks: Iterable[Check]) -> list[Check]:
    """Those with which the issue may not go out."""
    return [check for check in checks if check.level == Level.BLOCKING]


def _picks(session: Session, issue: Issue) -> Iterator[Check]:
    if not issue.picks:
        yield _block("no picks", f"Issue {issue.number} has no picks.", "Add a comparison, or draft it anew.")
        return
    if issue.thin:
        fewest = issue.publication.fewest_picks
        text = f"It has {len(issue.picks)} of at least {fewest} picks."
        yield _warn("thin week", text, "Add a comparison, wait a week, or send it as it is.")
    for slug, number in _sent_before(session, issue):
        yield _warn(
            "sent before", f"{slug} was in issue {number}.", "Drop it, or say in a note why it is here again."
        )
    for slug in _outdated(session, issue):
        text = f"{slug} has a newer version than the one picked."
        yield _warn("newer version", text, "Draft the issue anew to take it.")


def _subject(issue: Issue) -> Iterator[Check]:
    length = len(issue.subject.strip())
    if not length:
        yield _block("no subject", "The subject is empty.", "Write one.")
    elif length > SUBJECT_CHARS:
        text = f"The subject has {length} characters; phones cut it off after {SUBJECT_CHARS} at the latest."
        yield _warn("long subject", text, "Shorten it, or put what matters first.")


def _size(html_bytes: int | None) -> Iterator[Check]:
    if html_bytes is None or html_bytes < WARN_BYTES:
        return
    text = f"The mail's HTML has {html_bytes / 1000:.0f} kB; Gmail hides what comes after {BLOCK_BYTES // 1000} kB."
    level = Level.BLOCKING if html_bytes >= BLOCK_BYTES else Level.WARNING
    yield Check("size", level, text, "Drop a pick, or shorten the intro and the notes.")


def _links(issue: Issue) -> Iterator[Check]:
    for where, text in _texts(issue):
        for url in links(text):
            if not _followable(url):
                found = f"{where.capitalize()} links to {url[:_SHOWN]!r}, which is no web or mail address."
                yield _block("link", found, "Begin it with https:// and name a site.")


def _merge_fields(issue: Issue) -> Iterator[Check]:
    for where, text in (("the subject", issue.subject), ("the preheader", issue.preheader), *_texts(issue)):
        for field in dict.fromkeys(_MERGE.findall(text)):
            found = f"{where.capitalize()} holds {field[:_SHOWN]}, and every reader would see just that."
            yield _block("merge field", found, "Write it out or take it away: nothing is filled in here.")


def _publication(issue: Issue) -> Iterator[Check]:
    publication = issue.publication
    if not publication.postal_address.strip():
        text = "The publication has no postal address, which the law of many countries wants in every issue."
        yield _warn("postal address", text, "Add it to the publication.")
    domain = publication.sender_address.rpartition("@")[2].lower()
    labels = domain.split(".")
    if labels[-1] in _RESERVED or ".".join(labels[-2:]) in _RESERVED_SECOND:
        text = f"The sender's domain, {domain}, is one for examples; receivers refuse it."
        yield _warn("sender domain", text, "Give the publication an address of your own domain.")


def _base(base_url: str) -> Iterator[Check]:
    if base_url.startswith("https://"):
        return
    text = (
        f"Links lead to {base_url}, which is not https: readers cannot leave in one click, and filters mind."
    )
    # A laptop that tries it out and an office without TLS may go on: the links work, only less well.
    yield _warn("base URL", text, "Set DIGEST_BASE_URL to the public https:// address.")


def links(markdown: str) -> list[str]:
    """The targets of the links in a Markdown text, in order, each once, also those that a mail would leave out."""
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20})
    setattr(parser, "validateLink", lambda _url: True)  # noqa: B010  mypy: a method; a bad link is told, not hidden
    inline = (child for token in parser.parse(markdown) for child in token.children or ())
    return list(
        dict.fromkeys(str(child.attrGet("href") or "") for child in inline if child.type == "link_open")
    )


def _texts(issue: Issue) -> Sequence[tuple[str, str]]:
    notes = [(f"the note on pick {pick.position}", pick.note) for pick in issue.picks if pick.note]
    return [("the intro", issue.intro), *notes]


def _followable(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _sent_before(session: Session, issue: Issue) -> Sequence[tuple[str, int]]:
    picked = [pick.comparison_id for pick in issue.picks]
    found = candidates.of(session, issue.publication_id, picked, besides=issue.id)
    return sorted((c.slug, c.held) for c in found if c.held is not None and c.past is None)


def _outdated(session: Session, issue: Issue) -> Sequence[str]:
    wanted = (
        select(Comparison.slug)
        .join(Pick, Pick.comparison_id == Comparison.id)
        .join(ComparisonVersion, ComparisonVersion.comparison_id == Comparison.id)
        .where(Pick.issue_id == issue.id, stands(), ComparisonVersion.id != Pick.version_id)
        .order_by(Pick.position)
    )
    return session.scalars(wanted).all()


def _block(name: str, text: str, mend: str) -> Check:
    return Check(name, Level.BLOCKING, text, mend)


def _warn(name: str, text: str, mend: str) -> Check:
    return Check(name, Level.WARNING, text, mend)

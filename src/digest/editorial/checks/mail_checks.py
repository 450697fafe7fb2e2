"""Checks of the finished mail: alt texts, the plain text part, every subject, and one-click unsubscribe."""

from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

from digest.editorial.checks.finding import Finding, blocker, warning
from digest.editorial.checks.placeholders import find_merge_fields
from digest.editorial.checks.sample_mail import render_sample_mail
from digest.render.compiled_issue import CompiledIssue
from digest.render.parsed_mail import ParsedMail, parse_mail

_MAX_QUOTED_CHARS = 40


def check_mail(compiled: CompiledIssue, base_url: str) -> Iterator[Finding]:
    """Yield what is wrong with the mail, whatever its template."""
    mail = parse_mail(render_sample_mail(compiled))
    missing = _AltTextCounter.count_missing(mail.html)
    if missing:
        text = f"{missing} image{'s have' if missing > 1 else ' has'} no alt text."
        yield warning("missing alt", text, 'Describe each image, or use alt="" for decoration.')
    if not mail.text.strip():
        yield blocker(
            "no text part", "The email has no plain text version.", "Fix the template issue/body.txt."
        )
    yield from _check_subjects(compiled.subjects[1:])
    if base_url.startswith("https://") and not _has_one_click_unsubscribe(mail):
        text = "The email has no one-click unsubscribe (RFC 8058), which Gmail and Yahoo require."
        yield blocker("one click", text, "Fix the email's List-Unsubscribe headers.")


def _check_subjects(subjects: Sequence[str]) -> Iterator[Finding]:
    """Readers with topics get other subjects than the editor's: those are generated, from the tools' names."""
    fields = dict.fromkeys(match.found for subject in subjects for match in find_merge_fields(subject))
    for field in fields:
        text = f"Some readers would see {field[:_MAX_QUOTED_CHARS]} in their subject, which comes from a tool's name."
        fix = "Correct the tool's name, or remove its pick."
        yield warning("subject by topics", text, fix, "picks", field)


def _has_one_click_unsubscribe(mail: ParsedMail) -> bool:
    headers = [(name.lower(), value) for name, value in mail.headers]
    links = [value for name, value in headers if name == "list-unsubscribe"]
    post_headers = [value for name, value in headers if name == "list-unsubscribe-post"]
    return len(post_headers) == 1 and len(links) == 1 and links[0].startswith("<http")


class _AltTextCounter(HTMLParser):
    """Counts <img> without an alt attribute; an empty one marks decoration (WCAG H67)."""

    def __init__(self) -> None:
        super().__init__()
        self.missing = 0

    @classmethod
    def count_missing(cls, html: str) -> int:
        counter = cls()
        counter.feed(html)
        return counter.missing

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.missing += tag == "img" and "alt" not in dict(attrs)

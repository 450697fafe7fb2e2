"""The results of external checks as findings on an issue, with a summary and the progress of each kind."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from digest.editorial.checks import external_check_queue
from digest.editorial.checks.external_check_queue import CheckResult, MailSetup
from digest.editorial.checks.finding import Finding, Level, note, warning
from digest.editorial.checks.texts import editor_texts, extract_links
from digest.editorial.models import Issue
from digest.loopback import is_loopback_url
from digest.render.content import Edition

ACCEPTABLE_SPAM_SCORE = 1.0
_MAX_URL_CHARS = 60
_MAX_SPAM_RULES = 3
_RETRIED = "It will be checked again."


@dataclass(frozen=True)
class CheckResults:
    """The findings; by kind, a summary of what was checked, and (done, total)."""

    findings: tuple[Finding, ...]
    summaries: Mapping[str, str] = field(default_factory=dict)
    progress: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_pending(self) -> bool:
        """Whether some checks have no result yet."""
        return any(done < total for done, total in self.progress.values())


NO_RESULTS = CheckResults(())


def collect_results(session: Session, issue: Issue, edition: Edition, mail_setup: MailSetup) -> CheckResults:
    """Return all results known so far for the issue."""
    requests = external_check_queue.list_requests(issue, edition, mail_setup)
    every = external_check_queue.fetch_results(session, requests)
    results = [result for result in every if result.checked_at is not None]
    findings = (
        *_link_findings(issue, _of_kind(results, "link")),
        *_sender_findings(_of_kind(results, "sender"), is_local=is_loopback_url(edition.base_url)),
        *_spam_findings(_of_kind(results, "spam")),
    )
    return CheckResults(findings, _summarize(results), _count_progress(every))


def _count_progress(results: Sequence[CheckResult]) -> dict[str, tuple[int, int]]:
    total: dict[str, int] = defaultdict(int)
    done: dict[str, int] = defaultdict(int)
    for result in results:
        total[result.request.kind] += 1
        done[result.request.kind] += result.checked_at is not None
    return {kind: (done[kind], count) for kind, count in total.items()}


def _of_kind(results: Sequence[CheckResult], kind: str) -> list[CheckResult]:
    return [result for result in results if result.request.kind == kind]


def _link_findings(issue: Issue, results: Sequence[CheckResult]) -> Iterator[Finding]:
    sources = {
        url: (text.label, text.location)
        for text in reversed(editor_texts(issue))
        for url in extract_links(text.markdown)
    }
    for check in results:
        url, problem = check.request.target, check.result.get("problem")
        if not problem:
            continue
        if check.result.get("is_inconclusive"):
            yield note("link", f"{_shorten(url)} could not be checked: {problem}.", _RETRIED)
            continue
        label, location = sources.get(url, ("the email", ""))
        text = f"{label.capitalize()} links to {_shorten(url)}, but {problem}."
        fix, key = "Open the link, then correct or remove it.", f"{url} {problem}"
        yield Finding("dead link", Level.WARNING, text, fix, location, fingerprint_key=key)


def _sender_findings(results: Sequence[CheckResult], *, is_local: bool) -> Iterator[Finding]:
    for check in results:
        if check.result.get("problem"):
            text = f"{check.request.target} could not be checked: {check.result['problem']}."
            yield note("sender", text, _RETRIED)
        for result in check.result.get("sender_auth", ()):
            yield from _auth_findings(result, is_local=is_local)


def _auth_findings(result: Mapping[str, Any], *, is_local: bool) -> Iterator[Finding]:
    name = f"sender {result['mechanism']}"
    if result["status"] == "unknown":
        yield note(name, result["summary"], result["fix"])
    elif result["status"] != "good":
        level = Level.NOTE if is_local or not result["is_conclusive"] else Level.WARNING
        yield Finding(name, level, result["summary"], result["fix"], dns_record=result["dns_record"])


def _spam_findings(results: Sequence[CheckResult]) -> Iterator[Finding]:
    for check in results:
        score = check.result
        if score.get("is_missing"):
            continue
        if score.get("problem"):
            yield note("spam", f"The spam score is not available: {score['problem']}.", _RETRIED)
        elif score["points"] > ACCEPTABLE_SPAM_SCORE:
            rules = "; ".join(
                f"{rule['description']} ({rule['points']:g})" for rule in score["rules"][:_MAX_SPAM_RULES]
            )
            text = (
                f"SpamAssassin scores this email {score['points']:g} of {score['limit']:g} points: {rules}."
            )
            yield warning("spam", text, "Change what these rules object to.", "subject")


def _summarize(results: Sequence[CheckResult]) -> dict[str, str]:
    summaries = {}
    links = _of_kind(results, "link")
    if links:
        working = sum(not link.result.get("problem") for link in links)
        summaries["link"] = f"{working} of {len(links)} {'works' if working == 1 else 'work'}"
    for check in _of_kind(results, "sender"):
        summaries["sender"] = _summarize_sender(check)
    for check in _of_kind(results, "spam"):
        points, limit = check.result.get("points"), check.result.get("limit")
        has_score = points is not None
        summaries["spam"] = (
            f"{points:g} of {limit:g} points" if has_score else "SpamAssassin is not installed"
        )
    return summaries


def _summarize_sender(check: CheckResult) -> str:
    domain = check.request.target
    if check.result.get("problem"):
        return f"{domain} could not be checked"
    passed = [
        result["mechanism"] for result in check.result.get("sender_auth", ()) if result["status"] == "good"
    ]
    return f"{domain}: {', '.join(passed)} found" if passed else f"{domain}: no records found"


def _shorten(url: str) -> str:
    return url if len(url) <= _MAX_URL_CHARS else url[: _MAX_URL_CHARS - 1] + "…"
